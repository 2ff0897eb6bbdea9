"""Spans: what this process was asked for, and whom it asked in turn.

A call is recorded inside of a request until its answer starts, so that a stream of hours leaves
nothing behind, and inside of background work that had something to do. Elsewhere, and without a
receiver, `call` does nothing.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.settings import Settings

Attributes = Mapping[str, str | int]

# Only the trace's own headers: `baggage` holds whatever a client put there.
_propagator = TraceContextTextMapPropagator()


@dataclass(slots=True)
class Trace:
    """One request, or one turn of a background task, while it is recorded."""

    tracer: Tracer
    root: Span
    is_open: bool = True
    held: list[tuple[Span, int]] | None = None
    """Ended spans, and when (ns), that wait until it is known whether they are worth sending."""

    def end(self, span: Span) -> None:
        """End a span of this trace, now."""
        if self.held is None:
            span.end()
        else:
            self.held.append((span, time.time_ns()))


@dataclass(slots=True)
class Call:
    """A call to another process, while it lasts."""

    span: Span
    trace: Trace

    def end(self, error: BaseException | None = None) -> None:
        """End it; of an error only the type is kept, since messages may quote what users typed."""
        if error is not None:
            self.span.set_attribute("error.type", type(error).__name__)
            self.span.set_status(StatusCode.ERROR)
        self.trace.end(self.span)


@dataclass(slots=True)
class Turn:
    """One turn of a background task; it is sent only if it `found` something to do."""

    found: bool = False


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def read_context(headers: Mapping[str, str]) -> Context:
    """The trace context in `traceparent` and `tracestate`; an empty one if there is none."""
    return _propagator.extract(headers, Context())


def trace_headers(span: Span | None = None) -> dict[str, str]:
    """`traceparent` and `tracestate` of `span` or of what runs now; empty if nobody traces it."""
    headers: dict[str, str] = {}
    _propagator.inject(headers, trace.set_span_in_context(span) if span else None)
    return headers


def begin_call(
    kind: SpanKind, name: str, attributes: Attributes, parent: Context | None = None
) -> Call | None:
    """Record a call until its `end`; below `parent` or else below what runs now."""
    current = _current.get()
    if current is None or not current.is_open:
        return None
    span = current.tracer.start_span(name, parent, kind, attributes)
    return Call(span, current)


@contextmanager
def call(
    kind: SpanKind, name: str, attributes: Attributes, parent: Context | None = None
) -> Iterator[Span | None]:
    """Record what happens inside as one call; gives its span if it is recorded."""
    begun = begin_call(kind, name, attributes, parent)
    if begun is None:
        yield None
        return
    try:
        yield begun.span
    except BaseException as error:
        begun.end(error)
        raise
    begun.end()


class Telemetry:
    """Where traces begin. Records nothing unless OTEL_EXPORTER_OTLP_ENDPOINT is set."""

    def __init__(self, settings: Settings) -> None:
        self._exporter = None
        self._tracer: Tracer | None = None
        if settings.otel_exporter_otlp_endpoint:
            # The SDK takes 0.3 s to load: only those who want traces pay for it.
            from app.telemetry.exporter import Exporter  # noqa: PLC0415 - see above

            self._exporter = Exporter(
                settings.otel_exporter_otlp_endpoint, settings.otel_service_name
            )
            self._tracer = self._exporter.tracer

    @property
    def is_on(self) -> bool:
        """Whether traces are recorded."""
        return self._tracer is not None

    def begin(
        self, kind: SpanKind, name: str, attributes: Attributes, parent: Context
    ) -> Trace | None:
        """Begin a trace, or this process's part of one, for the rest of the running asyncio task.

        None if it is not recorded; the caller's trace is passed on all the same.
        """
        if self._tracer is None:
            otel_context.attach(parent)
            return None
        root = self._tracer.start_span(name, parent, kind, attributes)
        otel_context.attach(trace.set_span_in_context(root, parent))
        if not root.is_recording():
            return None
        begun = Trace(self._tracer, root)
        _current.set(begun)
        return begun

    @contextmanager
    def turn(self, name: str) -> Iterator[Turn]:
        """A trace of one turn of a background task: dropped unless the turn finds work."""
        turn = Turn()
        if self._tracer is None:
            yield turn
            return
        root = self._tracer.start_span(name, Context())
        begun = Trace(self._tracer, root, held=[])
        context_token = otel_context.attach(trace.set_span_in_context(root, Context()))
        trace_token = _current.set(begun)
        try:
            yield turn
        finally:
            _current.reset(trace_token)
            otel_context.detach(context_token)
            if turn.found:
                _send(begun)

    def close(self) -> None:
        """Send what waits, within a second."""
        if self._exporter:
            self._exporter.close()


def _send(ended: Trace) -> None:
    for span, at in ended.held or ():
        span.end(at)
    ended.root.end()
