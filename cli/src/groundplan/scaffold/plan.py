"""What a command changes in the workspace, as data; tried out on a copy before anything is touched."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundplan.errors import UserError
from groundplan.files import write_whole
from groundplan.model.place import FILES
from groundplan.model.workspace import describe
from groundplan.scaffold.template import LEFTOVERS, walk

_DERIVED = Path("docs") / "architecture"


@dataclass(frozen=True)
class Change:
    """One file, before and after; None where there is none."""

    path: Path
    """Relative to the workspace."""
    before: bytes | None
    after: bytes | None
    mode: int = 0o644

    def __str__(self) -> str:
        """What is done, for people."""
        if self.before is None:
            return f"create {self.path}"
        if self.after is None:
            return f"delete {self.path}"
        lines = self.after.count(b"\n") - self.before.count(b"\n")
        return f"edit   {self.path} ({lines:+d} lines)"


@dataclass(frozen=True)
class Plan:
    """All that one command changes."""

    title: str
    """What it does, e.g. "add billing"."""
    changes: tuple[Change, ...]
    folders: tuple[Path, ...] = ()
    """Folders that go, with all that is in them; relative to the workspace."""

    def as_dict(self) -> dict[str, Any]:
        """The plan for machines."""
        return {
            "plan": self.title,
            "create": [str(item.path) for item in self.changes if item.before is None],
            "edit": [
                str(item.path) for item in self.changes if None not in (item.before, item.after)
            ],
            "delete": [
                *(str(item.path) for item in self.changes if item.after is None),
                *(f"{folder}/" for folder in self.folders),
            ],
        }

    def lines(self) -> Iterator[str]:
        """The plan for people."""
        yield from (f"delete {folder}/" for folder in self.folders)
        yield from map(str, self.changes)


def completed(root: Path, plan: Plan) -> Plan:
    """`plan` with what follows from it in the derived documents.

    It is carried out on a copy of the tree: raises UserError for a plan that can't be carried out, or after
    which the workspace could not be read.
    """
    with tempfile.TemporaryDirectory(prefix="groundplan-") as folder:
        copy = Path(folder) / root.name
        try:
            shutil.copytree(root, copy, symlinks=True, ignore=_left_out(root))
            return replace(plan, changes=(*plan.changes, *_consequences(copy, plan)))
        except (OSError, shutil.Error) as error:
            raise UserError(f"Can't {plan.title}.", why=f"{error}.") from error


def _consequences(copy: Path, plan: Plan) -> list[Change]:
    """What the derived documents become, once the plan was carried out on this copy of the tree."""
    for gone in plan.folders:
        shutil.rmtree(copy / gone)
    for change in plan.changes:
        write(copy / change.path, change)
    for environment in FILES:
        describe(copy, environment)
    before = _contents(copy)
    _render(copy)
    after = _contents(copy)
    return [
        Change(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def write(file: Path, change: Change) -> None:
    """Bring `file` to its state after `change`, whole or not at all."""
    if change.after is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole({file: change.after}, None if file.exists() else change.mode)


def read(root: Path, path: Path | str) -> bytes | None:
    """The content of a file of the workspace; None if there is none."""
    try:
        return (root / path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path} can't be read.", why=f"{error.strerror}.") from error


def _left_out(root: Path) -> Any:
    def ignore(folder: str, names: list[str]) -> list[str]:
        top = {".git", "tmp"} if Path(folder) == root else set()
        return [name for name in names if name in top or LEFTOVERS.fullmatch(name)]

    return ignore


def _contents(root: Path) -> dict[Path, bytes]:
    return {file.relative_to(root): file.read_bytes() for file in walk(root / _DERIVED)}


def _render(root: Path) -> None:
    """Write the derived documents of a workspace that has them."""
    if not (root / _DERIVED / "overview.md").exists():
        return
    from groundplan import docs

    docs.write(root)
