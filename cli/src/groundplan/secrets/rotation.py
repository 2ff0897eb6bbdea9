"""A rotation: begun with new values, kept in a journal until its last step is done."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from groundplan.errors import UserError
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.kinds import KINDS
from groundplan.secrets.kinds.base import Kind, Values
from groundplan.secrets.steps import Step, Write
from groundplan.secrets.store import write

_PREFIX = ".rotation-"
_JOURNAL_MODE = 0o600


@dataclass(frozen=True)
class Rotation:
    """One rotation with all its values, and how far it is."""

    name: str
    inventory: Inventory
    values: Values
    is_live: bool = True
    """False where nothing was ever started: then only files change."""
    done: int = 0
    """How many steps are done."""
    overlap_ends: float | None = None
    """When the old key may be forgotten (seconds since 1970), once that step is reached."""

    @property
    def steps(self) -> list[Step]:
        """All steps, those that are done too."""
        if not self.is_live:
            return [Write(self.values.new)]
        kind, subject = _find(self.name, self.inventory)
        return list(kind.steps(subject, self.values, self.inventory))

    @property
    def journal(self) -> Path:
        """Its file while it is under way; it holds secrets."""
        return self.inventory.store.path(f"{_PREFIX}{self.name}.json")

    def save(self) -> None:
        """Write the journal whole, or leave the one that is there."""
        partial = self.journal.with_suffix(".partial")
        state = {
            "values": asdict(self.values),
            "is_live": self.is_live,
            "done": self.done,
            "overlap_ends": self.overlap_ends,
        }
        write(partial, json.dumps(state), _JOURNAL_MODE)
        partial.rename(self.journal)

    def advanced(self) -> "Rotation":
        """The rotation with one more step done."""
        return replace(self, done=self.done + 1, overlap_ends=None)


def names(inventory: Inventory) -> list[str]:
    """The rotations of this workspace."""
    return [name for name, _, _ in _all(inventory)]


def begin(name: str, inventory: Inventory, is_live: bool) -> Rotation:
    """A rotation with new values; writes nothing. Raises UserError for a name that there is not."""
    kind, subject = _find(name, inventory)
    return Rotation(name, inventory, kind.values(subject, inventory), is_live)


def unfinished(inventory: Inventory) -> dict[str, Rotation]:
    """The rotations that are under way."""
    journals = sorted(inventory.store.folder.glob(f"{_PREFIX}*.json"))
    return {
        name: _read(name, inventory, file)
        for file in journals
        for name in [file.stem.removeprefix(_PREFIX)]
    }


def _read(name: str, inventory: Inventory, file: Path) -> Rotation:
    try:
        state: dict[str, Any] = json.loads(file.read_text())
        values = Values(**state.pop("values"))
        return Rotation(name, inventory, values, **state)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{file} can't be read, so the rotation of {name} can't go on.",
            why=type(error).__name__,
            hint=f"Delete it, then type ./gp secrets check and ./gp secrets rotate {name}",
        ) from error


def _find(name: str, inventory: Inventory) -> tuple[Kind, str]:
    for known, kind, subject in _all(inventory):
        if known == name:
            return kind, subject
    if name in inventory.workspace.secrets:
        raise UserError(
            f"{name} is no rotation of its own.",
            why=f"There are: {', '.join(names(inventory))}.",
            hint="docs/operations/security.md says how each secret is changed.",
            code=2,
        )
    raise UserError(
        f"There is no rotation {name!r}.", hint=f"There are: {', '.join(names(inventory))}.", code=2
    )


def _all(inventory: Inventory) -> Iterator[tuple[str, Kind, str]]:
    for pattern, kind in KINDS.items():
        for subject in kind.subjects(inventory):
            yield pattern.replace("*", subject), kind, subject
