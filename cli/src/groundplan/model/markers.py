"""Blocks between marker lines, as `##<<SERVICES>>` and `##<</SERVICES>>`.

Only whole lines are put in and taken out again; every other byte of a file stays as it is. A
section is a list of blocks that are separated by a blank line, so what `insert` did, `remove`
undoes. `place` is the name of the file for errors.
"""

import re
from dataclasses import dataclass

from groundplan.errors import UserError

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_MARKER = re.compile(r"([ \t]*)##<<(/?)([A-Z_]+)>>[ \t]*\r?\n?")
_KEY = re.compile(r"""(["']?)([\w.-]+)\1:(?:[ \t\r\n]|$)""")


@dataclass(frozen=True)
class _Section:
    """Where a section stands: the numbers, from 0, of its two marker lines."""

    name: str
    indent: str
    opening: int
    closing: int


def insert(text: str, section: str, block: str, place: str) -> str:
    """`text` with `block` as the last one of `section`; unchanged if it stands there already.

    The lines of `block` are indented as the markers are and end as the closing marker's line does.
    Raises UserError, naming the line, where the markers of the file are not in order.
    """
    lines = _lines(text)
    found = _section(lines, section, place)
    new = _as_written(block, lines, found)
    if _find(lines, found, new) is not None:
        return text
    end = found.closing
    while end > found.opening + 1 and not lines[end - 1].strip():
        end -= 1
    is_first = end == found.opening + 1
    separator = [] if is_first else [_newline(lines, found)]
    return "".join([*lines[:end], *separator, *new, *lines[end:]])


def remove(text: str, section: str, block: str, place: str) -> str:
    """`text` without `block`, the inverse of `insert`.

    Raises UserError where `section` does not hold exactly that block, or the markers are not in order.
    """
    lines = _lines(text)
    found = _section(lines, section, place)
    old = _as_written(block, lines, found)
    start = _find(lines, found, old)
    if start is None:
        raise UserError(
            f"{place}:{found.opening + 1} {section} does not hold what shall be removed.",
            why=f"It begins with {old[0].strip()!r}.",
        )
    return _cut(lines, found, start, start + len(old))


def remove_entry(text: str, section: str, key: str, place: str) -> str:
    """`text` without the block of the mapping's key `key`, however it is written; unchanged without one."""
    lines = _lines(text)
    found = _section(lines, section, place)
    bounds = _entry(lines, found, key)
    return _cut(lines, found, *bounds) if bounds else text


def contains(text: str, section: str, block: str, place: str) -> bool:
    """True if `section` holds exactly that block."""
    lines = _lines(text)
    found = _section(lines, section, place)
    return _find(lines, found, _as_written(block, lines, found)) is not None


def entry(text: str, section: str, key: str, place: str) -> str | None:
    """The block of the mapping's key `key` in `section`, with the comments right above it.

    It has no indentation of the markers; None if there is no such key.
    """
    lines = _lines(text)
    found = _section(lines, section, place)
    bounds = _entry(lines, found, key)
    if bounds is None:
        return None
    return "".join(
        line.removeprefix(found.indent).removesuffix("\r\n").removesuffix("\n") + "\n"
        for line in lines[slice(*bounds)]
    )


def sections(text: str, place: str) -> dict[str, str]:
    """Each key of a mapping that stands in a section, with the section's name."""
    lines = _lines(text)
    return {
        key: section.name
        for section in _sections(lines, place).values()
        for number in range(section.opening + 1, section.closing)
        if (key := _key(lines[number], section))
    }


def _lines(text: str) -> list[str]:
    """The lines with their ends; only a line feed ends one, as YAML and dotenv files have it."""
    return _LINE.findall(text)


def _sections(lines: list[str], place: str) -> dict[str, _Section]:
    """All sections; raises UserError at the first marker that is not in order."""
    found: dict[str, _Section] = {}
    opened: tuple[str, str, int] | None = None
    for number, line in enumerate(lines):
        marker = _MARKER.fullmatch(line)
        if not marker:
            continue
        indent, slash, name = marker.groups()
        if not slash:
            if opened:
                raise _error(place, number, f"##<<{name}>> opens inside ##<<{opened[0]}>>")
            if name in found:
                raise _error(place, number, f"##<<{name}>> stands there a second time")
            opened = (name, indent, number)
        elif opened is None or opened[0] != name:
            inside = f" inside ##<<{opened[0]}>>" if opened else ""
            raise _error(place, number, f"##<</{name}>> closes what is not open{inside}")
        elif opened[1] != indent:
            raise _error(place, number, f"##<</{name}>> is indented unlike its opening marker")
        else:
            found[name] = _Section(name, indent, opened[2], number)
            opened = None
    if opened:
        raise _error(place, opened[2], f"##<<{opened[0]}>> is never closed")
    return found


def _section(lines: list[str], name: str, place: str) -> _Section:
    found = _sections(lines, place)
    if name not in found:
        raise UserError(
            f"{place}:{max(len(lines), 1)} lacks the markers ##<<{name}>> and ##<</{name}>>.",
            hint=f"Put both back, each on a line of its own, or restore the file: git checkout -- {place}",
        )
    return found[name]


def _error(place: str, number: int, what: str) -> UserError:
    return UserError(
        f"{place}:{number + 1} {what}.",
        hint=f"Mend the markers by hand, or restore the file: git checkout -- {place}",
    )


def _newline(lines: list[str], section: _Section) -> str:
    return "\r\n" if lines[section.opening].endswith("\r\n") else "\n"


def _as_written(block: str, lines: list[str], section: _Section) -> list[str]:
    """The lines of `block` as they stand in that section."""
    newline = _newline(lines, section)
    stripped = [line.rstrip("\r\n") for line in _lines(block.strip("\r\n"))]
    assert stripped, "a block has at least one line"
    return [f"{section.indent}{line}{newline}" if line else newline for line in stripped]


def _find(lines: list[str], section: _Section, block: list[str]) -> int | None:
    """Where `block` begins, as a whole block; the last place if there are several."""
    first, last = section.opening + 1, section.closing - len(block)
    for start in range(last, first - 1, -1):
        end = start + len(block)
        is_whole = (start == first or not lines[start - 1].strip()) and (
            end == section.closing or not lines[end].strip()
        )
        if is_whole and lines[start:end] == block:
            return start
    return None


def _cut(lines: list[str], section: _Section, start: int, end: int) -> str:
    """The text without a block and the blank line that separates it from another one."""
    if not lines[start - 1].strip():
        start -= 1
    elif start - 1 == section.opening and any(
        line.strip() for line in lines[end : section.closing]
    ):
        end += not lines[end].strip()
    return "".join(lines[:start] + lines[end:])


def _key(line: str, section: _Section) -> str | None:
    if not line.startswith(section.indent):
        return None
    match = _KEY.match(line.removeprefix(section.indent))
    return match[2] if match else None


def _entry(lines: list[str], section: _Section, key: str) -> tuple[int, int] | None:
    """The first line of an entry, comments right above it included, and the line after its last."""
    inside = range(section.opening + 1, section.closing)
    start = next((number for number in inside if _key(lines[number], section) == key), None)
    if start is None:
        return None
    end = start + 1
    for number in range(start + 1, section.closing):
        line = lines[number]
        if line.startswith((f"{section.indent} ", f"{section.indent}\t")) and line.strip():
            end = number + 1
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    comment = f"{section.indent}#"
    while start - 1 > section.opening and lines[start - 1].startswith(comment):
        start -= 1
    return start, end
