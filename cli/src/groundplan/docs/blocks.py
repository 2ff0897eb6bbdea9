"""The generated blocks of a document: what stands between `<!-- groundplan:NAME -->` and its end.

All other bytes of the document belong to people and are kept as they are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_MARKER = re.compile(r"^[ \t]*<!-- (/?)groundplan:([\w.-]+) -->[ \t]*(\r?\n|$)", re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    """Markers that can't be followed; `line` counts from 1."""

    line: int
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Block:
    """One block: its content is `document[start:end]`, and `line` is that of its marker."""

    name: str
    start: int
    end: int
    line: int
    newline: str


def opening(name: str) -> str:
    """The marker before a block."""
    return f"<!-- groundplan:{name} -->"


def closing(name: str) -> str:
    """The marker after a block."""
    return f"<!-- /groundplan:{name} -->"


def find(document: str) -> tuple[list[Block], list[Problem]]:
    """The blocks of `document` in order, and what is wrong with its markers."""
    blocks: list[Block] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    current: re.Match[str] | None = None
    for marker in _MARKER.finditer(document):
        line = _line(document, marker.start())
        if marker[1]:
            if current and current[2] == marker[2]:
                blocks.append(_block(document, current, marker))
                current = None
            else:
                where = _inside(document, current) if current else "has no marker before it."
                problems.append(Problem(line, f"{closing(marker[2])} {where}"))
            continue
        if current:
            problems.append(Problem(line, f"{opening(marker[2])} {_inside(document, current)}"))
            continue
        if marker[2] in seen:
            problems.append(Problem(line, f"The block {marker[2]} is there twice."))
        seen.add(marker[2])
        current = marker
    if current:
        line = _line(document, current.start())
        problems.append(Problem(line, f"The block {current[2]} has no {closing(current[2])}."))
    return blocks, problems


def _inside(document: str, current: re.Match[str]) -> str:
    place = f"the block {current[2]} of line {_line(document, current.start())}"
    return f"stands inside {place}, which must end first."


def _block(document: str, start: re.Match[str], end: re.Match[str]) -> Block:
    line = _line(document, start.start())
    return Block(start[2], start.end(), end.start(), line, start[3] or "\n")


def _line(document: str, position: int) -> int:
    return document.count("\n", 0, position) + 1


def replace(document: str, found: list[Block], contents: Mapping[str, str]) -> str:
    """`document` with the content of each of the `found` blocks, in its own kind of line ends."""
    for block in reversed(found):
        content = contents[block.name].replace("\n", block.newline)
        document = document[: block.start] + content + document[block.end :]
    return document
