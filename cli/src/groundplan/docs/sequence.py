"""Draws a flow as a sequence diagram in SVG."""

from dataclasses import dataclass

from groundplan.docs import metrics, svg
from groundplan.docs.facts import Facts
from groundplan.docs.grid import DETAIL_LINE, DETAIL_SIZE, TITLE_SIZE
from groundplan.model.flows import Call, Flow

_HEAD_WIDTH, _HEAD_HEIGHT = 130.0, 36.0
_MARGIN = 12.0
_GAP = 24.0
_LABEL = 200.0
"""The longest line of a label."""
_LOOP = 40.0
"""How far a call of a participant to itself reaches out."""


@dataclass(frozen=True)
class _Step:
    """One call with its text broken into lines."""

    start: int
    end: int
    lines: list[str]
    note: list[str]

    @property
    def width(self) -> float:
        texts = (*self.lines, *self.note)
        longest = max(metrics.width(text, DETAIL_SIZE) for text in texts)
        return longest + _GAP + (_LOOP if self.start == self.end else 0)

    @property
    def above(self) -> float:
        """The height of the text above the arrow."""
        return len(self.lines) * DETAIL_LINE + 12

    @property
    def below(self) -> float:
        """The height of the note below the arrow."""
        return len(self.note) * DETAIL_LINE + 6


def draw(flow: Flow, facts: Facts) -> str:
    """The steps of `flow` from top to bottom as an SVG document."""
    names = list(dict.fromkeys(name for call in flow.steps for name in (call.caller, call.callee)))
    steps = [_step(number, call, names) for number, call in enumerate(flow.steps, 1)]
    xs = _columns(len(names), steps)
    bottom = _MARGIN + _HEAD_HEIGHT + sum(step.above + step.below for step in steps) + 2 * _MARGIN
    body = [f'<path class="life" d="M{x:g} {_MARGIN + _HEAD_HEIGHT:g}V{bottom:g}"/>' for x in xs]
    for x, name in zip(xs, names, strict=True):
        body += _head(x, facts.title(name), is_outside=name not in facts.services)
    y = _MARGIN + _HEAD_HEIGHT
    for step in steps:
        body += _draw_step(step, xs, y + step.above)
        y += step.above + step.below
    words = "; ".join(f"{call.caller} calls {call.callee}: {call.operation}" for call in flow.steps)
    right = max(
        [xs[-1] + _HEAD_WIDTH / 2] + [xs[s.start] + s.width for s in steps if s.start == s.end]
    )
    return svg.document(flow.title, f"{words}.", body, right + _MARGIN, bottom + _MARGIN)


def _step(number: int, call: Call, names: list[str]) -> _Step:
    text = f"{number}. {call.protocol} · {call.operation}"
    return _Step(
        names.index(call.caller),
        names.index(call.callee),
        metrics.wrap(text, DETAIL_SIZE, _LABEL, 4),
        metrics.wrap(call.note, DETAIL_SIZE, _LABEL, 4),
    )


def _columns(count: int, steps: list[_Step]) -> list[float]:
    """Where each participant stands: as near as the labels between them allow."""
    gaps = [_HEAD_WIDTH + _GAP / 2] * (count - 1)
    for step in sorted(steps, key=lambda step: abs(step.end - step.start)):
        low, high = sorted((step.start, step.end))
        if low == high:
            if low < count - 1:
                gaps[low] = max(gaps[low], step.width)
            continue
        missing = step.width - sum(gaps[low:high])
        if missing > 0:
            gaps[low:high] = [gap + missing / (high - low) for gap in gaps[low:high]]
    xs = [_MARGIN + _HEAD_WIDTH / 2]
    for gap in gaps:
        xs.append(round(xs[-1] + gap, 1))
    return xs


def _head(x: float, title: str, is_outside: bool) -> list[str]:
    radius = _HEAD_HEIGHT / 2 if is_outside else 6
    text = metrics.wrap(title, TITLE_SIZE, _HEAD_WIDTH - 12, 1, bold=True)
    return [
        svg.frame("box", x - _HEAD_WIDTH / 2, _MARGIN, _HEAD_WIDTH, _HEAD_HEIGHT, radius),
        *(svg.label(line, x, _MARGIN + 23, "title middle") for line in text),
    ]


def _draw_step(step: _Step, xs: list[float], y: float) -> list[str]:
    start, end = xs[step.start], xs[step.end]
    if step.start == step.end:
        side = start + _LOOP
        points = [(start, y - 10), (side, y - 10), (side, y), (start, y)]
        middle, classes = side + 8, ""
    else:
        points = [(start, y), (end, y)]
        middle, classes = (start + end) / 2, " middle"
    parts = svg.arrow(points, step.start % svg.COLOURS)
    first = y - 7 - (len(step.lines) - 1) * DETAIL_LINE
    parts += [
        svg.label(line, middle, first + number * DETAIL_LINE, f"message{classes}")
        for number, line in enumerate(step.lines)
    ]
    parts += [
        svg.label(line, middle, y + 13 + number * DETAIL_LINE, f"note{classes}")
        for number, line in enumerate(step.note)
    ]
    return parts
