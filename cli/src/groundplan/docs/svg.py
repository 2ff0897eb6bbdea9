"""Writes SVG that can be read on light and dark, with its text as text."""

from collections.abc import Iterable
from html import escape

from groundplan.docs.diagram import Diagram, Edge
from groundplan.docs.grid import (
    BOX,
    DETAIL_LINE,
    DETAIL_SIZE,
    PADDING,
    TITLE_LINE,
    TITLE_SIZE,
    Box,
)
from groundplan.docs.layout import Lane, place
from groundplan.docs.markdown import one_line
from groundplan.docs.routing import Point

MARK = "<!-- Written by ./gp docs -->"
"""The second line of every picture, by which one that is no longer drawn is known."""

COLOURS = 6
"""How many colours the lines may have."""
_STYLE = f"""
svg {{ font-family: "Helvetica Neue", Helvetica, Arial, "DejaVu Sans", sans-serif;
  --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --line: #8c959f; --lane: #f6f8fa; --box: #ffffff;
  --c0: #0969da; --c1: #8250df; --c2: #1a7f37; --c3: #bc4c00; --c4: #bf3989; --c5: #0a7f86; }}
@media (prefers-color-scheme: dark) {{ svg {{
  --paper: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --line: #6e7681; --lane: #151b23; --box: #212830;
  --c0: #4493f8; --c1: #ab7df8; --c2: #3fb950; --c3: #f0883e; --c4: #f778ba; --c5: #39c5cf; }} }}
.paper {{ fill: var(--paper) }} .lane {{ fill: var(--lane) }}
.box {{ fill: var(--box); stroke: var(--line); stroke-width: 1.2 }}
.title {{ font-size: {TITLE_SIZE:g}px; font-weight: bold; fill: var(--ink) }}
.detail {{ font-size: {DETAIL_SIZE:g}px; fill: var(--soft) }}
.message {{ font-size: {DETAIL_SIZE:g}px; fill: var(--ink) }}
.message, .note {{ stroke: var(--paper); stroke-width: 4px; paint-order: stroke; stroke-linejoin: round }}
.note {{ font-size: {DETAIL_SIZE:g}px; font-style: italic; fill: var(--soft) }}
.middle {{ text-anchor: middle }}
.life {{ stroke: var(--line); stroke-dasharray: 3 4 }}
.line {{ fill: none; stroke-width: 1.6 }}
.order {{ stroke-dasharray: 6 4 }} .storage {{ stroke-dasharray: 1.5 3.5; stroke-width: 2 }}
{"".join(f".c{n} {{ stroke: var(--c{n}) }} .h{n} {{ fill: var(--c{n}) }} " for n in range(COLOURS))}
"""
_LEGEND = {"call": "calls", "order": "starts after", "storage": "stores in", "publish": "publishes"}
_LEGEND_HEIGHT = 30.0


def draw(diagram: Diagram) -> str:
    """A diagram as an SVG document."""
    placed = place(diagram)
    colours = _colours(diagram.edges)
    body = [part for lane in placed.lanes for part in _lane(lane, placed.width)]
    for edge, points in placed.lines:
        body += arrow(points, colours[edge.start], edge.kind, _words(edge, diagram))
    body += [part for box in placed.boxes for part in _box(box)]
    body += _legend(dict.fromkeys(edge.kind for edge in diagram.edges), placed.height)
    height = placed.height + _LEGEND_HEIGHT
    return document(diagram.title, diagram.description, body, placed.width, height)


def document(title: str, description: str, body: Iterable[str], width: float, height: float) -> str:
    """An SVG document around `body`."""
    heads = "".join(
        f'<marker id="head{number}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 10 5 0 10z" class="h{number}"/></marker>'
        for number in range(COLOURS)
    )
    size = f'width="{width:g}" height="{height:g}"'
    view = f'viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="title description"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}>',
        MARK,
        f'<title id="title">{clean(title)}</title>',
        f'<desc id="description">{clean(description)}</desc>',
        f"<style>{_STYLE}</style>",
        f"<defs>{heads}</defs>",
        f'<rect class="paper" {size}/>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def clean(text: str) -> str:
    """`text` for XML, without the characters that it can't hold."""
    return escape(one_line(text), quote=True)


def label(text: str, x: float, y: float, classes: str) -> str:
    """One line of text with its base line at `y`."""
    return f'<text x="{x:g}" y="{y:g}" class="{classes}">{clean(text)}</text>'


def arrow(points: list[Point], colour: int, kind: str = "call", words: str = "") -> list[str]:
    """A line with rounded corners; a head at its end unless it goes to a store."""
    head = "" if kind == "storage" else f' marker-end="url(#head{colour})"'
    title = f"<title>{clean(words)}</title>" if words else ""
    return [f'<path class="line {kind} c{colour}" d="{_path(points)}"{head}>{title}</path>']


def _path(points: list[Point], radius: float = 5.0) -> str:
    words = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        ax, ay = _towards(corner, before, radius)
        bx, by = _towards(corner, after, radius)
        words.append(f"L{ax:g} {ay:g}Q{corner[0]:g} {corner[1]:g} {bx:g} {by:g}")
    return "".join([*words, f"L{points[-1][0]:g} {points[-1][1]:g}"])


def _towards(start: Point, end: Point, length: float) -> Point:
    """The point `length` away from `start`, at most half the way to `end`."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    way = abs(dx) + abs(dy)
    part = min(length, way / 2) / way if way else 0
    return round(start[0] + dx * part, 2), round(start[1] + dy * part, 2)


def _colours(edges: Iterable[Edge]) -> dict[str, int]:
    """A colour for each caller."""
    callers = dict.fromkeys(edge.start for edge in edges)
    return {caller: number % COLOURS for number, caller in enumerate(callers)}


def _words(edge: Edge, diagram: Diagram) -> str:
    titles = {node.key: node.title for band in diagram.bands for row in band.rows for node in row}
    words = f"{titles[edge.start]} {_LEGEND[edge.kind]} {titles[edge.end]}"
    return f"{words}: {edge.label}" if edge.label else words


def frame(kind: str, x: float, y: float, width: float, height: float, radius: float) -> str:
    """A rectangle; `kind` is "box" or "lane"."""
    size = f'width="{width:g}" height="{height:g}"'
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" {size} rx="{radius:g}"/>'


def _lane(lane: Lane, width: float) -> list[str]:
    lines = [
        label(text, 18, lane.y + 26 + number * TITLE_LINE, "title")
        for number, text in enumerate(lane.title)
    ]
    return [frame("lane", 6, lane.y, width - 12, lane.height, 8), *lines]


def _box(box: Box) -> list[str]:
    radius = {"box": 6, "store": 16, "outside": box.height / 2}[box.node.shape]
    middle, y = box.x + BOX / 2, box.y + PADDING - 4
    parts = [frame("box", box.x, box.y, BOX, box.height, radius)]
    for text in box.title:
        y += TITLE_LINE
        parts.append(label(text, middle, y, "title middle"))
    for text in box.details:
        y += DETAIL_LINE
        parts.append(label(text, middle, y, "detail middle"))
    return parts


def _legend(kinds: Iterable[str], y: float) -> Iterable[str]:
    for number, kind in enumerate(kinds):
        x = 18 + number * 130
        yield from arrow([(x, y + 6), (x + 34, y + 6)], 0, kind)
        yield label(_LEGEND[kind], x + 42, y + 10, "detail")
