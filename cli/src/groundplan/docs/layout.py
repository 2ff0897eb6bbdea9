"""Lays a diagram out: boxes on a grid, arrows between them, bands around them. Sizes are in pixels."""

from dataclasses import dataclass
from itertools import accumulate

from groundplan.docs import metrics
from groundplan.docs.diagram import Band, Diagram, Edge
from groundplan.docs.grid import BOX, TITLE_SIZE, Box, boxes_of, rows_of
from groundplan.docs.routing import (
    SPACE,
    Point,
    assign_tracks,
    choose_ends,
    points_of,
    routes_of,
    size,
    span_channels,
)

_SIDEBAR = 140.0
"""The width of the bands' titles."""


@dataclass(frozen=True)
class Lane:
    """The frame of a band."""

    title: list[str]
    y: float
    height: float


@dataclass(frozen=True)
class Placed:
    """A diagram with a place for everything."""

    boxes: list[Box]
    lanes: list[Lane]
    lines: list[tuple[Edge, list[Point]]]
    width: float
    height: float


def place(diagram: Diagram) -> Placed:
    """Place the boxes and arrows of `diagram`."""
    rows, rows_of_bands = rows_of(diagram)
    columns = max(map(len, rows), default=1)
    boxes = boxes_of(rows, columns, diagram.edges)
    routes = routes_of(diagram.edges, boxes, columns)
    tracks = assign_tracks(route.gutter for route in routes)
    gutters = [*accumulate((size(tracks, c) + BOX for c in range(columns)), initial=_SIDEBAR)]
    for box in boxes.values():
        box.x = gutters[box.column + 1] - BOX
    choose_ends(routes)
    span_channels(routes, gutters)
    tracks_of_channels = assign_tracks(
        span for route in routes for span in (route.first, route.last)
    )
    heights = [
        max((box.height for box in boxes.values() if box.row == r), default=0.0)
        for r in range(len(rows))
    ]
    channels = [
        *accumulate(
            (size(tracks_of_channels, r) + heights[r] for r in range(len(rows))), initial=0.0
        )
    ]
    tops = [channels[r + 1] - heights[r] for r in range(len(rows))]
    for box in boxes.values():
        box.y = tops[box.row] + (heights[box.row] - box.height) / 2
    lanes = [
        _lane(band, tops[of_band[0]], channels[of_band[-1] + 1])
        for band, of_band in zip(diagram.bands, rows_of_bands, strict=True)
    ]
    return Placed(
        list(boxes.values()),
        lanes,
        [(route.edge, points_of(route, gutters, channels)) for route in routes],
        gutters[columns] + size(tracks, columns),
        channels[len(rows)] + size(tracks_of_channels, len(rows)),
    )


def _lane(band: Band, top: float, bottom: float) -> Lane:
    title = metrics.wrap(band.title, TITLE_SIZE, _SIDEBAR - 24, 4, bold=True)
    return Lane(title, top - SPACE / 2, bottom - top + SPACE)
