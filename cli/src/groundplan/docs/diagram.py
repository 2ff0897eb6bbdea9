"""What a picture shows, whatever draws it."""

from dataclasses import dataclass
from typing import Literal

Shape = Literal["box", "store", "outside"]
Kind = Literal["call", "order", "storage", "publish"]


@dataclass(frozen=True)
class Node:
    """A box: a service, a volume, or somebody outside."""

    key: str
    title: str
    details: tuple[str, ...] = ()
    """Further lines in the box."""
    shape: Shape = "box"


@dataclass(frozen=True)
class Band:
    """A row of boxes with a name, or several rows."""

    title: str
    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Edge:
    """An arrow: a declared call, `depends_on`, to what is mounted, or to a published port."""

    start: str
    end: str
    kind: Kind = "call"
    label: str = ""


@dataclass(frozen=True)
class Diagram:
    """A picture: bands from top to bottom, and arrows between their boxes."""

    title: str
    description: str
    bands: tuple[Band, ...]
    edges: tuple[Edge, ...]
