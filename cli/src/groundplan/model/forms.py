"""Shapes of their own: ports, volumes, hosts and the like, which can be written in several forms."""

import re
from typing import Any

from groundplan.model import short
from groundplan.model.containers import Items, Keys, Pairs
from groundplan.model.scalars import INTEGER, absolute
from groundplan.model.shapes import Place, Shape, unmarked


class Port(Keys):
    """A port; its short form may be a range, so it becomes a list."""

    def read(self, value: Any, place: Place) -> Any:
        """The ports in their long form."""
        if isinstance(value, str | int) and not isinstance(value, bool):
            return short.ports(value, place)
        return short.long_port(super().read(value, place), place)


class Mount(Keys):
    """An entry of a service's `volumes`."""

    def read(self, value: Any, place: Place) -> Any:
        """The volume in its long form."""
        return short.long_volume(super().read(value, place), place)


class Hosts(Shape):
    """`extra_hosts`: host name → addresses, from `name=address`, `name:address` or a mapping."""

    def read(self, value: Any, place: Place) -> dict[str, list[str]]:
        """Host name → addresses."""
        if isinstance(value, dict):
            addresses = Items(allows_single=True)
            return {
                name: [_bare(item) for item in addresses.read(items, place.child(name))]
                for name, items in value.items()
            }
        found: dict[str, list[str]] = {}
        for index, text in enumerate(Items().read(value, place)):
            match = re.fullmatch(r"([^=:]+)[=:](.+)", text)
            if not match:
                raise place.child(index).error("must be NAME=ADDRESS")
            found.setdefault(match[1], []).append(_bare(match[2]))
        return found

    def merge(self, base: Any, override: Any) -> Any:
        """The addresses of both."""
        both = {**base}
        for name, addresses in override.items():
            both[name] = list(dict.fromkeys([*both.get(name, []), *addresses]))
        return both


def _bare(address: str) -> str:
    return address.removeprefix("[").removesuffix("]")


class Contexts(Pairs):
    """`additional_contexts`: name → absolute path or URL."""

    def read(self, value: Any, place: Place) -> dict[str, str | None]:
        """The paths, absolute."""
        pairs = super().read(value, place)
        return {
            name: absolute(unmarked(text, place.child(name)), place) for name, text in pairs.items()
        }


class Ulimit(Shape):
    """A limit: one number, or a soft and a hard one."""

    def read(self, value: Any, place: Place) -> Any:
        """The number, or the mapping of both."""
        return (_SOFT_AND_HARD if isinstance(value, dict) else INTEGER).read(value, place)


_SOFT_AND_HARD = Keys({"soft": INTEGER, "hard": INTEGER}, required=("soft", "hard"))
