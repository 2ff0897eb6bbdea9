"""Puts variables in for `$NAME` and `${NAME…}`, as Compose does."""

import re
from collections.abc import Mapping

from groundplan.errors import UserError

_START = re.compile(r"\$(?:(?P<escaped>\$)|(?P<named>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*))?")
_OPERATOR = re.compile(r":?[-?+]")


class Substituted(str):
    """A text that variables were put into."""

    written: str
    """The text as the file has it."""


def substitute(text: str, variables: Mapping[str, str], place: str) -> str:
    """`text` with its variables replaced; `place` is named in errors."""
    parts: list[str] = []
    end = 0
    while match := _START.search(text, end):
        parts.append(text[end : match.start()])
        end = match.end()
        if match["escaped"]:
            parts.append("$")
        elif match["named"]:
            parts.append(variables.get(match["named"], ""))
        elif match["braced"]:
            close = _closing_brace(text, end, place)
            parts.append(_expand(match["braced"], text[end:close], variables, place))
            end = close + 1
        else:
            raise _invalid(text, place)
    result = Substituted("".join([*parts, text[end:]]))
    result.written = text
    return result


def _closing_brace(text: str, start: int, place: str) -> int:
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    raise _invalid(text, place)


def _expand(name: str, rest: str, variables: Mapping[str, str], place: str) -> str:
    """What `${NAME` + `rest` + `}` stands for."""
    value = variables.get(name)
    if not rest:
        return value or ""
    match = _OPERATOR.match(rest)
    if not match:
        raise _invalid(f"${{{name}{rest}}}", place)
    operator, argument = match[0], rest[match.end() :]
    present = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return substitute(argument, variables, place) if present else ""
    if present:
        return value or ""
    if operator.endswith("?"):
        raise UserError(f"{place} needs the variable {name}.", why=argument)
    return substitute(argument, variables, place)


def _invalid(text: str, place: str) -> UserError:
    return UserError(
        f"{place}: {text!r} has a `$` that starts no variable.", hint="Write $$ for a plain $."
    )
