"""Carries out a plan whole or not at all.

A journal in tmp/scaffold is written before the first change and deleted after the last one: as
long as it is there, everything in it can be undone, also by the next command after a crash.
Folders that go are moved beside the journal, and deleted with it.
"""

import fcntl
import json
import shutil
import signal
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from groundplan.errors import UserError
from groundplan.files import partial_of, write_whole
from groundplan.scaffold.plan import Change, Plan, read, write

Report = Callable[[str], None]

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def exclusive(root: Path, report: Report) -> Iterator[None]:
    """Be the only one that changes this workspace; undoes first what a killed command left half-done."""
    try:
        (root / "tmp").mkdir(exist_ok=True)
        stream = (root / "tmp" / "scaffold.lock").open("a")
    except OSError as error:
        raise UserError(f"{root} can't be written.", why=f"{error.strerror}.") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                "Another command adds or removes a service here.", hint="Wait until it has ended."
            ) from error
        _repair(root, report)
        yield


def carry_out(root: Path, plan: Plan, report: Report) -> None:
    """Make the changes of `plan`; raises UserError, with all undone, where one fails."""
    _check_unchanged(root, plan)
    journal = _Journal(root)
    with _interruptible():
        try:
            journal.begin(plan)
            for number, folder in enumerate(plan.folders):
                report(f"delete {folder}/")
                (root / folder).rename(journal.kept(number))
                _remove_if_empty((root / folder).parent, root)
            for change in plan.changes:
                report(str(change))
                write(root / change.path, change)
                if change.after is None:
                    _remove_if_empty((root / change.path).parent, root)
        except BaseException as error:
            with _uninterruptible():
                _undo(journal, error)
            if isinstance(error, OSError):
                raise UserError(
                    f"Could not {plan.title}; everything is as it was.",
                    why=f"{error.filename}: {error.strerror}.",
                ) from error
            raise
    journal.end()


def _undo(journal: "_Journal", cause: BaseException) -> None:
    try:
        journal.undo()
    except OSError as error:
        raise UserError(
            f"A step failed ({cause}), and so did undoing it.",
            why=f"{error.filename}: {error.strerror}.",
            hint="Mend that; the next ./gp add or ./gp remove undoes the rest.",
        ) from error


def _check_unchanged(root: Path, plan: Plan) -> None:
    for change in plan.changes:
        if read(root, change.path) != change.before:
            raise UserError(
                f"{change.path} was changed meanwhile; nothing was done.", hint="Type it again."
            )


def _repair(root: Path, report: Report) -> None:
    journal = _Journal(root)
    if title := journal.title():
        journal.check()
        journal.undo()
        report(f"A command was killed while it was to {title}: its changes are undone.")


class _Journal:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "tmp" / "scaffold"
        self._file = self._folder / "journal.json"

    def title(self) -> str:
        """What the plan in the journal was to do; empty if there is no journal."""
        return str(self._read()["title"]) if self._file.exists() else ""

    def kept(self, number: int) -> Path:
        """Where the folder of that number waits until the plan is through."""
        return self._folder / f"removed-{number}"

    def begin(self, plan: Plan) -> None:
        """Write down how everything is before the plan."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        fields = {
            "title": plan.title,
            "folders": list(map(str, plan.folders)),
            "changes": [_as_dict(change, self._root) for change in plan.changes],
            "made": [str(folder) for folder in _new_folders(self._root, plan)],
        }
        write_whole({self._file: json.dumps(fields)})

    def check(self) -> None:
        """Raise UserError if someone changed a file that would be put back."""
        for item in self._read()["changes"]:
            content = read(self._root, item["path"])
            if content not in (_decode(item["before"]), _decode(item["after"])):
                raise UserError(
                    f"{item['path']} was changed after a command was killed that changed it too.",
                    hint=f"Put it in order by hand, then delete {self._folder}.",
                )

    def undo(self) -> None:
        """Put everything back, and forget the journal."""
        if not self._file.exists():
            return
        fields = self._read()
        for number, name in enumerate(fields["folders"]):
            if self.kept(number).exists():
                (self._root / name).parent.mkdir(parents=True, exist_ok=True)
                self.kept(number).rename(self._root / name)
        for item in reversed(fields["changes"]):
            file, before = self._root / item["path"], _decode(item["before"])
            with suppress(OSError):
                partial_of(file).unlink()
            if read(self._root, item["path"]) != before:
                write(file, Change(Path(item["path"]), None, before, item["mode"]))
        for name in reversed(fields["made"]):
            with suppress(OSError):
                (self._root / name).rmdir()
        self.end()

    def end(self) -> None:
        """The plan is through: forget the journal first, then what was kept."""
        self._file.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self._file.read_text())
        return fields


def _as_dict(change: Change, root: Path) -> dict[str, Any]:
    file = root / change.path
    return {
        "path": str(change.path),
        "before": _encode(change.before),
        "after": _encode(change.after),
        "mode": file.stat().st_mode & 0o777 if file.exists() else change.mode,
    }


def _encode(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()


def _decode(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


def _new_folders(root: Path, plan: Plan) -> list[Path]:
    """The folders that the plan makes, outer ones first."""
    folders = {
        parent
        for change in plan.changes
        if change.after is not None
        for parent in change.path.parents
        if not (root / parent).exists()
    }
    return sorted(folders)


def _remove_if_empty(folder: Path, root: Path) -> None:
    with suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent


@contextmanager
def _interruptible() -> Iterator[None]:
    """Being told to end raises KeyboardInterrupt, so that everything is undone."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    yield from _with_handler(interrupt, _SIGNALS)


@contextmanager
def _uninterruptible() -> Iterator[None]:
    yield from _with_handler(signal.SIG_IGN, (*_SIGNALS, signal.SIGINT))


def _with_handler(handler: Any, numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
