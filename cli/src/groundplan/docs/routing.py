"""Finds a way for each arrow that crosses no box.

Between two rows of boxes there is a channel and between two columns a gutter; arrows run only
there, each on a track of its own. All sizes are in pixels.

Invariant: channel r lies above row r, gutter c to the left of column c.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from groundplan.docs.diagram import Edge
from groundplan.docs.grid import BOX, Box

Point = tuple[float, float]

_TRACK = 9.0
SPACE = 20.0
"""Between a box and the nearest track."""
_SHIFT = 4.0
"""Moves what leaves a box off what enters the one below: else they could share a line."""


@dataclass
class Span:
    """The stretch of an arrow in one channel or gutter."""

    place: int
    low: float
    high: float
    track: int = 0


@dataclass
class Route:
    """An arrow, and what it runs through: a channel, or a channel, a gutter and a channel."""

    edge: Edge
    start: Box
    end: Box
    gutter: Span | None = None
    start_x: float = 0.0
    end_x: float = 0.0
    first: Span | None = None
    last: Span | None = None

    @property
    def is_below_start(self) -> bool:
        """True if the arrow leaves its start downwards."""
        return self.end.row >= self.start.row

    @property
    def is_below_end(self) -> bool:
        """True if the arrow enters its end from below."""
        return self.end.row <= self.start.row

    @property
    def channels(self) -> tuple[int, int]:
        """The channels beside its start and its end."""
        return self.start.row + self.is_below_start, self.end.row + self.is_below_end


def routes_of(edges: Iterable[Edge], boxes: dict[str, Box], columns: int) -> list[Route]:
    """A way for each arrow, the gutter chosen; where it leaves and enters is not known yet."""
    routes = []
    used: dict[int, int] = defaultdict(int)
    for edge in edges:
        route = Route(edge, boxes[edge.start], boxes[edge.end])
        low, high = sorted(route.channels)
        if low != high:
            gutter = _nearest_gutter(route, columns, used)
            used[gutter] += 1
            route.gutter = Span(gutter, low, high)
        routes.append(route)
    return routes


def _nearest_gutter(route: Route, columns: int, used: dict[int, int]) -> int:
    """The gutter with the shortest way; among equals the one that is used least."""

    def cost(gutter: int) -> tuple[float, int]:
        ends = (route.start.column, route.end.column)
        return sum(abs(column + 0.5 - gutter) for column in ends), used[gutter]

    return min(range(columns + 1), key=cost)


def assign_tracks(spans: Iterable[Span | None]) -> dict[int, int]:
    """Give spans that touch different tracks; the number of tracks in each place."""
    ends: dict[int, list[float]] = defaultdict(list)
    for span in sorted(filter(None, spans), key=lambda span: (span.place, span.low, span.high)):
        taken = ends[span.place]
        free = (number for number, end in enumerate(taken) if end < span.low)
        span.track = next(free, len(taken))
        taken[span.track : span.track + 1] = [span.high]
    return {place: len(taken) for place, taken in ends.items()}


def size(tracks: dict[int, int], place: int) -> float:
    """How wide or high a gutter or channel is."""
    return 2 * SPACE + max(0, tracks.get(place, 0) - 1) * _TRACK


def choose_ends(routes: list[Route]) -> None:
    """Spread the arrows at each side of each box, in the order in which they go on."""
    sides: dict[tuple[str, bool], list[tuple[float, Route, bool]]] = defaultdict(list)
    for route in routes:
        gutter = route.gutter.place if route.gutter else None
        to_end = gutter if gutter is not None else route.end.column + 0.5
        to_start = gutter if gutter is not None else route.start.column + 0.5
        sides[route.edge.start, route.is_below_start].append((to_end, route, True))
        sides[route.edge.end, route.is_below_end].append((to_start, route, False))
    for (_, is_below), ends in sides.items():
        ends.sort(key=lambda end: end[0])
        for number, (_, route, is_start) in enumerate(ends, 1):
            part = BOX * number / (len(ends) + 1) + (_SHIFT if is_below else -_SHIFT)
            if is_start:
                route.start_x = route.start.x + part
            else:
                route.end_x = route.end.x + part
    for route in routes:
        if route.gutter is None and route.start.column == route.end.column:
            at_start = sides[route.edge.start, route.is_below_start]
            at_end = sides[route.edge.end, route.is_below_end]
            _straighten(route, len(at_start), len(at_end))


def _straighten(route: Route, at_start: int, at_end: int) -> None:
    """Let an arrow between neighbours run straight, where that moves an end past no other."""
    way = abs(route.start_x - route.end_x)
    if way < BOX / (at_start + 1) / 2:
        route.start_x = route.end_x
    elif way < BOX / (at_end + 1) / 2:
        route.end_x = route.start_x


def span_channels(routes: list[Route], gutters: list[float]) -> None:
    """Say how far each arrow runs in the channels beside its ends."""
    for route in routes:
        first, last = route.channels
        if route.gutter is None:
            if route.start_x != route.end_x:
                route.first = _between(first, route.start_x, route.end_x)
            continue
        x = _gutter_x(route.gutter, gutters)
        route.first = _between(first, route.start_x, x)
        route.last = _between(last, x, route.end_x)


def _between(channel: int, one: float, other: float) -> Span:
    return Span(channel, min(one, other), max(one, other))


def points_of(route: Route, gutters: list[float], channels: list[float]) -> list[Point]:
    """The corners of an arrow, from its start to its end."""
    start = (route.start_x, route.start.y + route.start.height * route.is_below_start)
    end = (route.end_x, route.end.y + route.end.height * route.is_below_end)
    points = [start]
    x = _gutter_x(route.gutter, gutters) if route.gutter else route.end_x
    if route.first:
        y = _channel_y(route.first, channels)
        points += [(route.start_x, y), (x, y)]
    if route.last:
        y = _channel_y(route.last, channels)
        points += [(x, y), (route.end_x, y)]
    return [*points, end]


def _gutter_x(gutter: Span, gutters: list[float]) -> float:
    return gutters[gutter.place] + SPACE + gutter.track * _TRACK


def _channel_y(channel: Span, channels: list[float]) -> float:
    return channels[channel.place] + SPACE + channel.track * _TRACK
