"""Writes Markdown in which no text of the workspace can mean more than itself."""

import re
from collections.abc import Iterable, Sequence

NONE = "–"
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SPECIAL = re.compile(r"[&<>]|[\\`*_\[\]|~]")


def text(value: str) -> str:
    """`value` as plain text on one line."""
    return _SPECIAL.sub(lambda match: _ENTITIES.get(match[0], "\\" + match[0]), one_line(value))


def one_line(value: str) -> str:
    """`value` without line ends, and without characters that can't be seen or written."""
    visible = (character if character.isprintable() else " " for character in value)
    return " ".join("".join(visible).split())


def code(value: str) -> str:
    """`value` as code, or as text where it holds what code can't."""
    return f"`{value}`" if re.fullmatch(r"[^`|<>]+", value) and value.isprintable() else text(value)


def listing(values: Iterable[str]) -> str:
    """Several cells' worth in one; a dash for none."""
    return ", ".join(values) or NONE


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def both(here: object, there: object) -> str:
    """A value of development, and that of production where it is another."""
    first, second = (NONE if value is None else text(str(value)) for value in (here, there))
    return first if first == second else f"{first}; in production {second}"
