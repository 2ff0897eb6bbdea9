"""Puts the boxes of a diagram on a grid of rows and columns. All sizes are in pixels."""

import math
from dataclasses import dataclass

from groundplan.docs import metrics
from groundplan.docs.diagram import Diagram, Edge, Node

BOX = 164.0
PADDING = 10.0
TITLE_SIZE, DETAIL_SIZE = 14.0, 11.5
TITLE_LINE, DETAIL_LINE = 18.0, 15.0


@dataclass
class Box:
    """A node with its text; `x` and `y` are known once the arrows are."""

    node: Node
    row: int
    column: int
    title: list[str]
    details: list[str]
    height: float
    x: float = 0.0
    y: float = 0.0


def rows_of(diagram: Diagram) -> tuple[list[tuple[Node, ...]], list[list[int]]]:
    """The rows of all bands, broken where they are too long, and which of them each band has."""
    total = sum(len(row) for band in diagram.bands for row in band.rows)
    limit = max(4, math.ceil(math.sqrt(total * 1.2)))
    rows: list[tuple[Node, ...]] = []
    rows_of_bands: list[list[int]] = []
    for band in diagram.bands:
        parts = [row[at : at + limit] for row in band.rows for at in range(0, len(row), limit)]
        rows_of_bands.append(list(range(len(rows), len(rows) + len(parts))))
        rows += parts
    return rows, rows_of_bands


def boxes_of(rows: list[tuple[Node, ...]], columns: int, edges: tuple[Edge, ...]) -> dict[str, Box]:
    """A box for each node by its key; a store stands below what stores in it, if it can."""
    owners = {edge.end: edge.start for edge in edges if edge.kind == "storage"}
    boxes: dict[str, Box] = {}
    for number, row in enumerate(rows):
        above = [boxes[owners[node.key]].column for node in row if owners.get(node.key) in boxes]
        if len(above) < len(row) or above != sorted(set(above)):
            first = (columns - len(row)) // 2
            above = list(range(first, first + len(row)))
        boxes |= {
            node.key: _box(node, number, column) for node, column in zip(row, above, strict=True)
        }
    return boxes


def _box(node: Node, row: int, column: int) -> Box:
    inner = BOX - 2 * PADDING
    title = metrics.wrap(node.title, TITLE_SIZE, inner, 2, bold=True)
    details = [line for text in node.details for line in metrics.wrap(text, DETAIL_SIZE, inner, 3)]
    height = 2 * PADDING + len(title) * TITLE_LINE + len(details) * DETAIL_LINE
    return Box(node, row, column, title, details, height)
