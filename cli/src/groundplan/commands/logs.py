"""`gp logs`: what the services wrote."""

import heapq
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from groundplan.errors import UserError
from groundplan.model.place import find_root
from groundplan.model.workspace import load
from groundplan.render import log_line

_POLL = 0.2


def run(names: list[str], follow: bool, lines: int) -> None:
    """Print the last `lines` of each service's log in one merged view, and go on if `follow`."""
    workspace = load(find_root())
    for name in names:
        workspace.service(name)
    chosen = names or list(workspace.services)
    files = {name: workspace.state / "logs" / f"{name}.log" for name in chosen}
    if not any(file.exists() for file in files.values()):
        raise UserError("There are no logs yet.", hint="Start the system: ./gp up")
    console = Console(highlight=False, soft_wrap=True)
    offsets = {name: file.stat().st_size for name, file in files.items() if file.exists()}
    last = (_last_lines(name, file, lines) for name, file in files.items() if file.exists())
    for _, name, line in heapq.merge(*last):
        console.print(log_line(name, line, chosen))
    while follow:
        time.sleep(_POLL)
        for _, name, line in sorted(_new_lines(files, offsets)):
            console.print(log_line(name, line, chosen))


def _last_lines(name: str, file: Path, lines: int) -> list[tuple[str, str, str]]:
    with file.open(errors="replace", newline="\n") as stream:
        kept = stream.readlines()[-lines:] if lines else []
    return [_split(name, line) for line in kept]


def _new_lines(files: dict[str, Path], offsets: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    for name, file in files.items():
        if not file.exists():
            continue
        if file.stat().st_size < offsets.get(name, 0):  # a new file since the last look
            offsets[name] = 0
        with file.open("rb") as stream:
            stream.seek(offsets.get(name, 0))
            whole, _, _ = stream.read().rpartition(b"\n")
        if whole:
            offsets[name] = offsets.get(name, 0) + len(whole) + 1
            for line in whole.decode(errors="replace").split("\n"):
                yield _split(name, line)


def _split(name: str, line: str) -> tuple[str, str, str]:
    written, _, text = line.rstrip("\n").partition(" ")
    return written, name, text
