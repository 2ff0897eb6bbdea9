"""Pictures: boxes never overlap, arrows never cross a box or run on top of each other."""

import itertools
from collections.abc import Iterable
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.docs import metrics, svg
from groundplan.docs.diagram import Band, Diagram, Edge, Node
from groundplan.docs.grid import BOX, DETAIL_SIZE, TITLE_SIZE, Box
from groundplan.docs.layout import Placed, place
from groundplan.docs.routing import Point

Segment = tuple[Point, Point]


def segments(points: list[Point]) -> Iterable[Segment]:
    """The straight parts of a line, each from its lower to its higher end."""
    for one, other in itertools.pairwise(points):
        if one != other:
            yield min(one, other), max(one, other)


def crosses(segment: Segment, box: Box) -> bool:
    """True if a segment goes through the inside of a box."""
    (left, top), (right, bottom) = segment
    return (
        left < box.x + BOX and right > box.x and top < box.y + box.height and bottom > box.y
    ) and not (top == bottom and top in (box.y, box.y + box.height))


def overlap(one: Segment, other: Segment) -> bool:
    """True if two segments run on top of each other for more than a point."""
    (ax, ay), (bx, by) = one
    (cx, cy), (dx, dy) = other
    if ax == bx == cx == dx:
        return min(by, dy) - max(ay, cy) > 0.1
    if ay == by == cy == dy:
        return min(bx, dx) - max(ax, cx) > 0.1
    return False


def assert_is_legible(placed: Placed) -> None:
    """Nothing lies on anything else, and every text fits."""
    for one, other in itertools.combinations(placed.boxes, 2):
        is_apart = abs(one.x - other.x) >= BOX or not (
            one.y < other.y + other.height and other.y < one.y + one.height
        )
        assert is_apart, (one, other)
    lines = [list(segments(points)) for _, points in placed.lines]
    for (edge, points), parts in zip(placed.lines, lines, strict=True):
        assert all(0 <= x <= placed.width and 0 <= y <= placed.height for x, y in points)
        for part, box in itertools.product(parts, placed.boxes):
            assert not crosses(part, box), (edge, box.node.key)
    for (first, parts), (second, others) in itertools.combinations(enumerate(lines), 2):
        for pair in itertools.product(parts, others):
            assert not overlap(*pair), (placed.lines[first], placed.lines[second])
    for box in placed.boxes:
        assert all(metrics.width(text, TITLE_SIZE, bold=True) <= BOX - 16 for text in box.title)
        assert all(metrics.width(text, DETAIL_SIZE) <= BOX - 16 for text in box.details)


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """Some bands of some rows of some boxes, and arrows between any of them."""
    sizes = draw(
        st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=2), min_size=1, max_size=4)
    )
    numbers = itertools.count()
    bands = tuple(
        Band(
            "band", tuple(tuple(Node(f"n{next(numbers)}", "node") for _ in range(n)) for n in rows)
        )
        for rows in sizes
    )
    keys = [node.key for band in bands for row in band.rows for node in row]
    pairs = st.tuples(st.sampled_from(keys), st.sampled_from(keys)).filter(lambda p: p[0] != p[1])
    edges = draw(st.lists(pairs, unique=True, max_size=25))
    return Diagram("", "", bands, tuple(Edge(start, end) for start, end in edges))


@settings(max_examples=150, deadline=None)
@given(diagrams())
def test_any_diagram_is_legible(diagram: Diagram) -> None:
    """Whatever calls whatever: no box is crossed, and no two arrows run on top of each other."""
    assert_is_legible(place(diagram))


@pytest.mark.parametrize("count", [1, 3, 30, 100])
def test_a_system_of_any_size_is_legible(count: int) -> None:
    """Small and large systems with long names, where everybody calls the first three servers."""
    names = [f"a-service-with-quite-a-long-name-{number}" for number in range(count)]
    services = tuple(Node(name, name, ("W" * 90, "8000 HTTP")) for name in names)
    servers = tuple(Node(f"server-{number}", f"Server {number}") for number in range(3))
    edges = tuple(Edge(name, server.key) for name in names for server in servers)
    bands = (Band("Application services", (services,)), Band("Backing services", (servers,)))
    assert_is_legible(place(Diagram("", "", bands, edges)))


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_safe_and_fits(text: str) -> None:
    """A picture with any text is XML, and the text keeps within its box."""
    node = Node("node", text, (text,))
    diagram = Diagram(text, text, (Band(text, ((node,),)),), ())
    ElementTree.fromstring(svg.draw(diagram))  # noqa: S314 - our own document
    assert_is_legible(place(diagram))


def test_a_text_that_is_too_long_ends_in_dots() -> None:
    """What does not fit into its lines is cut, and the cut is marked."""
    lines = metrics.wrap("one two three four five six", 10, 60, 2)
    assert lines == ["one two", "three fo…"]
    assert metrics.wrap("redis-commander:8081", 10, 120, 2) == ["redis-commander", ":8081"]
    assert metrics.wrap("", 10, 60, 2) == []
