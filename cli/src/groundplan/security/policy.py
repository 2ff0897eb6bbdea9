"""What is allowed: config/security.toml."""

import tomllib
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from groundplan.errors import UserError

FILE = Path("config") / "security.toml"
_EXAMPLE = (
    'id = "GHSA-…", package = "name", until = 2027-01-31, reason = "why it does no harm here"'
)


@dataclass(frozen=True)
class Accepted:
    """A vulnerability that is let pass until the end of a day, for a reason."""

    id: str
    package: str
    until: date
    reason: str


@dataclass(frozen=True)
class Policy:
    """The licences that what is shipped may have, and the vulnerabilities that are accepted."""

    licences: frozenset[str]
    stated: dict[str, str]
    """Licences of packages whose metadata tell none, by package."""
    accepted: tuple[Accepted, ...]


def load(root: Path) -> Policy:
    """The policy of a workspace; raises UserError (code 2) with the line that is at fault."""
    path = root / FILE
    try:
        tree = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(
            f"There is no {FILE}.",
            why="It says which licences may be shipped.",
            hint='Begin with: licences = ["MIT", "Apache-2.0", "BSD-3-Clause"]',
            code=2,
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{FILE} can't be read.", why=str(error), code=2) from error
    return Policy(
        licences=frozenset(_checked(tree, "licences", list, [])),
        stated=_checked(tree, "stated", dict, {}),
        accepted=tuple(
            _accepted(path, number, entry)
            for number, entry in enumerate(_checked(tree, "accepted", list, []))
        ),
    )


def _checked(
    tree: dict[str, Any], key: str, kind: type[list[Any]] | type[dict[str, Any]], default: Any
) -> Any:
    value = tree.get(key, default)
    is_right = isinstance(value, kind) and all(isinstance(item, (str, dict)) for item in value)
    if not is_right:
        raise UserError(f"{FILE}: `{key}` is no {'table' if kind is dict else 'list'}.", code=2)
    return value


def _accepted(path: Path, number: int, entry: Any) -> Accepted:
    kinds = {field.name: field.type for field in fields(Accepted)}
    wrong = [name for name, kind in kinds.items() if not _is(entry, name, kind)]
    if wrong:
        lines = path.read_text().split("\n")
        starts = [line for line, text in enumerate(lines, 1) if text.strip() == "[[accepted]]"]
        line = starts[number] if number < len(starts) else 1
        raise UserError(
            f"{FILE}:{line} the exception has no {wrong[0]}, or it is of the wrong kind.",
            why="What is accepted for ever, or for no reason, is forgotten.",
            hint=f"Write: {_EXAMPLE}",
            code=2,
        )
    return Accepted(**{name: entry[name] for name in kinds})


def _is(entry: Any, name: str, kind: Any) -> bool:
    value = entry.get(name) if isinstance(entry, dict) else None
    return isinstance(value, kind) and bool(value)
