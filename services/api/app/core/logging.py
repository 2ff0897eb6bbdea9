"""Structured logs: JSON lines, or coloured text on a terminal."""

import logging
import sys

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor

from app.core.context import request_id_var


def configure_logging(level: str) -> None:
    """Send the logs of this app and of its libraries to standard output in one form."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_context,
    ]
    # Tracebacks without local variables: those hold passwords and tokens.
    renderer: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if sys.stdout.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # Each request is logged once, by RequestMiddleware; outages are logged by who meets them.
    for name in ("uvicorn.access", "aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _add_context(_logger: object, _method: str, event: EventDict) -> EventDict:
    if request_id := request_id_var.get():
        event["request_id"] = request_id
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
        event["span_id"] = trace.format_span_id(span.span_id)
    return event
