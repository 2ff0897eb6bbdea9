"""Shapes of the values in a Compose file: what each reads, and how an override is merged.

The shapes of all keys stand in `specification`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundplan.errors import UserError
from groundplan.model.source import Override, Reset, locate


@dataclass(frozen=True)
class Place:
    """Where a value stands."""

    files: tuple[Path, ...]
    path: tuple[str | int, ...] = ()

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return self.files[0].parent

    def child(self, key: str | int) -> "Place":
        """Where the value of `key` stands."""
        return replace(self, path=(*self.path, key))

    def error(self, what: str, why: str = "", hint: str = "") -> UserError:
        """An error that names file, line and path."""
        file, line = locate(self.files, self.path)
        path = ".".join(str(key) for key in self.path)
        return UserError(f"{file.name}:{line} {path} {what}.", why, hint)


class Shape:
    """Any value; an override takes its place."""

    is_nullable = False
    """True if an override without a value takes the value away."""

    def read(self, value: Any, place: Place) -> Any:
        """The long form of `value`; raises UserError where it is not of this shape."""
        return value

    def merge(self, base: Any, override: Any) -> Any:
        """`override` laid over `base`, both in their long forms."""
        return override

    def complete(self, value: Any, place: Place) -> None:
        """Raise UserError where something below the merged `value` is empty that must not be."""


class Anything(Shape):
    """Any value, or none."""

    is_nullable = True


ANY = Anything()


def read(shape: Shape, value: Any, place: Place) -> Any:
    """The long form of `value`, be it marked with !reset or !override, or be there none."""
    if value is None or isinstance(value, Reset):
        return value
    if isinstance(value, Override):
        return Override(read(shape, value.value, place))
    return shape.read(value, place)


def merge(shape: Shape, base: Any, override: Any) -> Any:
    """`override` laid over `base`, whatever they are."""
    if isinstance(override, Override):
        return override.value
    if override is None:
        return None if shape.is_nullable else base
    return override if base is None else shape.merge(base, override)


def complete(shape: Shape, value: Any, place: Place) -> None:
    """Raise UserError where the merged `value` is empty, and must not be."""
    if value is not None:
        shape.complete(value, place)
    elif not shape.is_nullable:
        raise place.error("has no value")


def unmarked(value: Any, place: Place) -> Any:
    """`value`, which must be there, and not be marked with !reset or !override."""
    if value is None or isinstance(value, Reset | Override):
        raise place.error("must have a value, without a tag")
    return value


def settle(value: Any) -> Any:
    """`value` without the marks !reset and !override."""
    if isinstance(value, Override):
        return settle(value.value)
    if isinstance(value, list):
        return [settle(item) for item in value]
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if not isinstance(item, Reset)}
        return {key: settle(item) for key, item in kept.items()}
    return value


def items_of(value: Any, place: Place) -> list[Any]:
    """`value`, which must be a list without empty items."""
    if not isinstance(value, list):
        raise place.error("must be a list")
    for index, item in enumerate(value):
        unmarked(item, place.child(index))
    return value


def fields_of(value: Any, place: Place) -> dict[str, Any]:
    """`value`, which must be a mapping."""
    if not isinstance(value, dict):
        raise place.error("must be a mapping")
    return value
