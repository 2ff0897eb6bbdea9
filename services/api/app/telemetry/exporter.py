"""Sends spans in the background (OTLP over HTTP). Loaded only where there is a receiver."""

import logging
from collections.abc import Sequence
from threading import Thread

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from app.version import VERSION

DELAY_MS = 500
BATCH_SPANS = 256
# About 4 MB; beyond it the oldest are dropped.
QUEUE_SPANS = 2048
CLOSE_TIMEOUT_S = 1.0
MAX_ATTRIBUTE_LENGTH = 256

log = structlog.get_logger()


class Exporter:
    """Batches spans and sends them from a thread of its own."""

    def __init__(self, endpoint: str, service: str) -> None:
        # Its failures are logged here, once, and not for each batch or span.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._sender = _Sender(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider = TracerProvider(
            resource=_Resource({"service.name": service, "service.version": VERSION}),
            span_limits=SpanLimits(max_span_attribute_length=MAX_ATTRIBUTE_LENGTH),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._sender,
                max_queue_size=QUEUE_SPANS,
                schedule_delay_millis=DELAY_MS,
                max_export_batch_size=BATCH_SPANS,
            )
        )
        self.tracer = self._provider.get_tracer("groundplan-api", VERSION)

    def close(self) -> None:
        """Send what waits, or give up after CLOSE_TIMEOUT_S."""
        # The SDK itself would wait for up to 30 s.
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT_S)
        if closing.is_alive():
            self._sender.shutdown()  # type: ignore[no-untyped-call] # the SDK leaves it so


class _Resource(Resource):
    """Compares by identity: the encoder hashes it for each span, which took a fifth of its time."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class _Sender(OTLPSpanExporter):
    """Says when the receiver stops answering, and when it is back."""

    _fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            log.warning("telemetry.unavailable", endpoint=self._endpoint)
        elif self._fails and not fails:
            log.info("telemetry.restored", endpoint=self._endpoint)
        self._fails = fails
        return result
