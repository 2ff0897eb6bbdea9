"""Shapes of lists and mappings."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from groundplan.model.scalars import TEXT, Scalar, text_of
from groundplan.model.shapes import (
    ANY,
    Place,
    Shape,
    complete,
    fields_of,
    items_of,
    merge,
    read,
    unmarked,
)
from groundplan.model.source import Override, Reset


@dataclass(frozen=True)
class Items(Shape):
    """A list; those of an override come after the base's, and replace those with the same key."""

    item: Shape = TEXT
    key: Callable[[Any], Any] = str
    allows_single: bool = False

    def read(self, value: Any, place: Place) -> list[Any]:
        """The items, of those with the same key the last."""
        single = self.allows_single and not isinstance(value, list)
        values = [value] if single else items_of(value, place)
        read = [self.item.read(item, place.child(index)) for index, item in enumerate(values)]
        return self._unique(read)

    def merge(self, base: list[Any], override: list[Any]) -> list[Any]:
        """The items of both."""
        return self._unique([*base, *override])

    def _unique(self, items: list[Any]) -> list[Any]:
        return list({self.key(item): item for item in items}.values())


@dataclass(frozen=True)
class Spread(Items):
    """A list in which one short item may stand for several."""

    def read(self, value: Any, place: Place) -> list[Any]:
        """All items."""
        found = [
            item
            for index, short in enumerate(items_of(value, place))
            for item in self.item.read(short, place.child(index))
        ]
        return self._unique(found)


@dataclass(frozen=True)
class Pairs(Shape):
    """A mapping of texts, or a list of `KEY=value`."""

    missing: str | None = None
    """The value of a key without one."""

    def read(self, value: Any, place: Place) -> dict[str, str | None]:
        """Key → text."""
        if isinstance(value, dict):
            return {key: self._text(item, place.child(key)) for key, item in value.items()}
        texts = [TEXT.read(item, place.child(i)) for i, item in enumerate(items_of(value, place))]
        parts = (text.partition("=") for text in texts)
        return {key: text if sign else self.missing for key, sign, text in parts}

    def _text(self, value: Any, place: Place) -> Any:
        if isinstance(value, dict | list):
            raise place.error("must be text, a number, true or false")
        if isinstance(value, Reset | Override):
            return read(Scalar((str, int, float, bool), "text", text_of), value, place)
        return self.missing if value is None else text_of(value)

    def merge(self, base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
        """The pairs of both."""
        return merge_fields(base, override, lambda _: ANY)


def merge_fields(
    base: Mapping[str, Any], override: Mapping[str, Any], shape_of: Callable[[str], Shape]
) -> dict[str, Any]:
    """The fields of both; a Reset takes one away."""
    merged = dict(base)
    for name, value in override.items():
        if isinstance(value, Reset):
            merged.pop(name, None)
        else:
            merged[name] = merge(shape_of(name), merged.get(name), value)
    return merged


@dataclass(frozen=True)
class Named(Shape):
    """A mapping of names that the user chose, to values of one shape."""

    item: Shape
    names: Callable[[Any], bool] = bool
    listed: Any = ...
    """What each name stands for where they are a list; no list is allowed without it."""

    def read(self, value: Any, place: Place) -> dict[str, Any]:
        """Name → value."""
        if isinstance(value, list) and self.listed is not ...:
            return self._fromitems_of(value, place)
        found = {}
        for name, item in fields_of(value, place).items():
            if not self.names(name):
                raise place.child(name).error("has a name that Compose refuses")
            found[name] = read(self.item, item, place.child(name))
        return found

    def _fromitems_of(self, value: list[Any], place: Place) -> dict[str, Any]:
        names = [TEXT.read(name, place.child(index)) for index, name in enumerate(value)]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise place.child(index).error(f"has {name!r} again")
        return dict.fromkeys(names, self.listed)

    def merge(self, base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
        """The names of both, those in both merged."""
        return merge_fields(base, override, lambda _: self.item)

    def complete(self, value: dict[str, Any], place: Place) -> None:
        """Look at every name."""
        for name, item in value.items():
            complete(self.item, item, place.child(name))


@dataclass(frozen=True)
class Keys(Shape):
    """A mapping of keys that the specification defines; `x-…` is free."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    short: Callable[[Any, Place], Any] | None = None
    """Makes the long form from a short one: text or a number."""
    same: str = ""
    """A key that must be the same in both for them to merge; else the override replaces the base."""
    unsupported: tuple[str, ...] = ()
    """Keys of the specification that are refused."""

    def read(self, value: Any, place: Place) -> dict[str, Any]:
        """Key → value, all in their long forms."""
        if self.short and isinstance(value, str | int) and not isinstance(value, bool):
            value = self.short(value, place)
        found = {}
        for key, item in fields_of(value, place).items():
            found[key] = read(self._field(key, place), item, place.child(key))
        for key in self.required:
            if key not in found:
                raise place.error(f"lacks `{key}`")
            unmarked(found[key], place.child(key))
        return found

    def _field(self, key: str, place: Place) -> Shape:
        if key in self.fields:
            return self.fields[key]
        if key.startswith("x-"):
            return ANY
        if key in self.unsupported:
            raise place.child(key).error("is not supported by Groundplan")
        near = difflib.get_close_matches(key, self.fields, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Keys: {', '.join(sorted(self.fields))}."
        raise place.child(key).error("is no key that Compose knows", hint=hint)

    def merge(self, base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
        """The keys of both, those in both merged."""
        if self.same in base and override.get(self.same, base[self.same]) != base[self.same]:
            return override
        return merge_fields(base, override, lambda key: self.fields.get(key, ANY))

    def complete(self, value: dict[str, Any], place: Place) -> None:
        """Look at every key."""
        for key, item in value.items():
            complete(self.fields.get(key, ANY), item, place.child(key))
