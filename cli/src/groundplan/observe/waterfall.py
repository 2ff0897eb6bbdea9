"""A trace as lines of text: who did what, when, and for how long."""

from collections.abc import Iterator
from dataclasses import dataclass

from groundplan.observe.client import Span, Trace

_SERVICE = 10
_TIMES = 9
_MIN_OPERATION, _MIN_BAR = 20, 10
_BAR_SHARE = 3
"""A third of what is left beside the other columns is for the bar."""


@dataclass(frozen=True)
class Line:
    """One line, and whether it tells of a failure."""

    text: str
    is_error: bool = False


def render(trace: Trace, width: int) -> Iterator[Line]:
    """The lines of a waterfall that fits `width` columns."""
    began = min(span.start for span in trace.spans)
    total = max(span.start + span.duration for span in trace.spans) - began
    errors = sum(span.is_error for span in trace.spans)
    yield Line(
        f"{trace.trace_id}  {len(trace.spans)} spans  {duration(total)}"
        + (f"  {errors} failed" if errors else "")
    )
    columns = _Columns.of(width)
    yield Line(columns.row("service", "operation", "starts", "takes", ""))
    for span, depth in _tree(trace.spans):
        bar = _bar((span.start - began), span.duration, total, columns.bar)
        name = " " * min(depth, columns.operation // 2) + _title(span)
        times = duration(span.start - began), duration(span.duration)
        yield Line(columns.row(span.service, name, *times, bar), span.is_error)
        if span.is_error and span.message:
            message = " ".join(span.message.split())
            yield Line(_cut(" " * (_SERVICE + 2 + depth) + message, width).rstrip(), is_error=True)


def duration(seconds: float) -> str:
    """A duration in a few characters: "1.2 ms", "3.45 s"."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


@dataclass(frozen=True)
class _Columns:
    """The widths of the columns that depend on the terminal's."""

    operation: int
    bar: int

    @classmethod
    def of(cls, width: int) -> "_Columns":
        left = width - _SERVICE - 2 * _TIMES - 4
        bar = max(_MIN_BAR, left // _BAR_SHARE)
        return cls(max(_MIN_OPERATION, left - bar), bar)

    def row(self, service: str, operation: str, starts: str, takes: str, bar: str) -> str:
        cells = (
            f"{_cut(service, _SERVICE):<{_SERVICE}}",
            f"{_cut(operation, self.operation):<{self.operation}}",
            f"{starts:>{_TIMES}}",
            f"{takes:>{_TIMES}}",
            bar,
        )
        return " ".join(cells).rstrip()


def _title(span: Span) -> str:
    """What the span did; for a call also whom it asked, where the name does not tell."""
    if span.kind in {"client", "producer"} and span.protocol != "http":
        return f"→ {span.peer} {span.operation}"
    return f"→ {span.operation}" if span.kind == "client" else span.operation


def _tree(spans: tuple[Span, ...]) -> Iterator[tuple[Span, int]]:
    """The spans with their depth, each below its parent; one whose parent is unknown is a root."""
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in spans:
        parent = span.parent_id if span.parent_id in known else ""
        children.setdefault(parent, []).append(span)
    shown: set[str] = set()
    pending = [(span, 0) for span in reversed(children.get("", []))]
    while pending:
        span, depth = pending.pop()
        shown.add(span.span_id)
        yield span, depth
        pending += [(child, depth + 1) for child in reversed(children.pop(span.span_id, []))]
    for span in spans:  # spans that are each other's parents
        if span.span_id not in shown:
            yield span, 0


def _bar(offset: float, length: float, total: float, width: int) -> str:
    scale = width / total if total else 0.0
    left = min(int(offset * scale), width - 1)
    return " " * left + "█" * max(1, min(round(length * scale), width - left))


def _cut(text: str, width: int) -> str:
    text = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return text if len(text) <= width else text[: width - 1] + "…"
