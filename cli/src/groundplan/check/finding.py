"""What a rule finds, and what a rule is."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from groundplan.check.facts import Facts


class Level(StrEnum):
    """How much a finding weighs: an error fails the check, a warning does with --strict."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, and where."""

    message: str
    file: str
    """Relative to the root, with slashes."""
    line: int = 1
    level: Level | None = None
    """The rule's own level where a rule gives none; the engine fills it in, as the next two."""
    fix: str = ""
    """What to do about it."""
    rule: str = ""


class Described(Protocol):
    """What `--explain` says about an id that a finding may carry."""

    ID: str
    TITLE: str
    WHY: str
    FIX: str
    LEVEL: Level


class Rule(Described, Protocol):
    """One module of `rules/`."""

    def check(self, facts: "Facts") -> Iterator[Finding]:
        """Yield what is wrong."""
