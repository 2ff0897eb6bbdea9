"""`gp backup`: makes, lists and tries backups, by the service that makes them."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from groundplan.backup.client import BACKUP, Client
from groundplan.backup.smoke import SMOKE
from groundplan.errors import UserError
from groundplan.runtime.running import find_offering, running

_console = Console(stderr=True, highlight=False, soft_wrap=True)
_PROGRESS_EVERY = 2.0
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def now(kind: str, as_json: bool, is_production: bool) -> None:
    """Make one backup now."""
    with connected(is_production) as client:
        answer = client.ask(BACKUP, "now", "--kind", kind)
    tell(answer, as_json, (_made(item) for item in answer["backups"]))


def show(as_json: bool, is_production: bool) -> None:
    """Print the backups there are."""
    with connected(is_production) as client:
        answer = client.ask(BACKUP, "list")
    tell(answer, as_json, _table(answer))


def verify(backup: str | None, as_json: bool, is_production: bool) -> None:
    """Restore a backup into an empty server, check it, and try it with the application."""
    with connected(is_production) as client:
        # The application reaches a copy in another container by its network only.
        listen = "0.0.0.0" if client.runtime.name == "docker" else "127.0.0.1"  # noqa: S104
        smoke = ["--smoke"] if find_offering(client.workspace, SMOKE) else []
        words = ("verify", backup or "latest", *smoke, "--listen", listen)
        answer = client.ask(BACKUP, *words)
    tell(answer, as_json, _verified(answer))


def prune(dry_run: bool, as_json: bool, is_production: bool) -> None:
    """Forget what the retention does not keep, or only tell what that is."""
    with connected(is_production) as client:
        answer = client.ask(BACKUP, "prune", *(["--dry-run"] if dry_run else []))
    would = "would be " if dry_run else ""
    lines = [f"{would}removed: {each}" for each in answer["ids"]]
    end = f"{answer['removed']} {would}removed, {answer['kept']} kept."
    tell(answer, as_json, [*lines, end])


def extract(backup: str, output: Path, is_production: bool) -> None:
    """Write what is in a backup to a file, which must not be there yet."""
    if output.exists():
        raise UserError(f"{output} is there already.", hint="Give the name of a new file.", code=2)
    with connected(is_production) as client:
        client.fetch(output, BACKUP, "extract", backup, "--output", "-")
    print(f"Wrote {output}, {size(output.stat().st_size)}.")


@contextmanager
def connected(is_production: bool) -> Iterator[Client]:
    """The commands of the running system; their progress is shown on standard error meanwhile."""
    runtime, workspace = running(is_production)
    if not _console.is_terminal:
        yield Client(runtime, workspace, _Lines().show)
        return
    with _console.status("Asking the service that makes backups") as status:
        yield Client(runtime, workspace, status.update)


class _Lines:
    """Progress for pipes and logs: a line for each new step, and one every few seconds of a long one."""

    def __init__(self) -> None:
        self._step, self._shown = "", 0.0

    def show(self, text: str) -> None:
        step = text.partition(" (")[0]
        if step != self._step or time.monotonic() - self._shown > _PROGRESS_EVERY:
            self._step, self._shown = step, time.monotonic()
            _console.print(text, markup=False)


def tell(answer: dict[str, Any], as_json: bool, lines: Iterable[str]) -> None:
    """Print `answer` for machines, or `lines` for people."""
    print(json.dumps(answer) if as_json else "\n".join(lines))


def _made(item: dict[str, Any]) -> str:
    return f"{item['id']}: {size(item['bytes'])} in {item['seconds']:.1f} s"


def _table(answer: dict[str, Any]) -> Iterator[str]:
    backups = answer["backups"]
    if not backups:
        yield f"There is no backup in {answer['repository']} yet. Make one: ./gp backup now"
        return
    width = max(len(item["id"]) for item in backups)
    is_shared = len({item.get("system") for item in backups}) > 1
    for item in backups:
        rows = f"  {item['rows']:,} rows" if item.get("rows") is not None else ""
        system = f"  of {item['system']}" if is_shared else ""
        yield f"{item['id']:<{width}}  {item['kind']:<8}{size(item['bytes']):>9}{rows}{system}"
    if moments := answer.get("restorable"):
        yield f"Any second from {moments['from']} to {moments['to']}: ./gp restore --time {moments['to']}"


def _verified(answer: dict[str, Any]) -> Iterator[str]:
    if answer["tables"] is None:
        yield f"{answer['id']} can be read, and is as it was written, in {answer['seconds']:.1f} s."
        return
    yield (
        f"{answer['id']} can be restored: {answer['tables']} tables with {answer['rows']:,} rows are as they "
        f"were, in {answer['seconds']:.1f} s."
    )
    yield f"The application's smoke test: {answer['smoke']}."


def size(count: float) -> str:
    """A number of bytes for people."""
    unit = next(((it, name) for it, name in _SIZES if count >= it), None)
    return f"{count / unit[0]:.1f} {unit[1]}" if unit else f"{count:.0f} B"
