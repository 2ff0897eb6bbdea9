"""A receiver of traces (OTLP over HTTP) that can misbehave."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.waiting import eventually

KINDS = {
    Span.SPAN_KIND_INTERNAL: "internal",
    Span.SPAN_KIND_SERVER: "server",
    Span.SPAN_KIND_CLIENT: "client",
    Span.SPAN_KIND_PRODUCER: "producer",
}


@dataclass(frozen=True)
class Received:
    """A span as it arrived; ids in hexadecimal."""

    service: str
    version: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    name: str
    attributes: dict[str, str | int]
    failed: bool
    seconds: float


class Sink:
    """What was received; `answer` (a status, or bytes to send as they are) can be changed."""

    def __init__(self) -> None:
        self.answer: int | bytes = 200
        self.hang = threading.Event()
        self.hang.set()
        self.raw: list[bytes] = []
        self.url = ""

    @property
    def spans(self) -> list[Received]:
        """All spans so far, in the order in which they ended."""
        return [span for body in list(self.raw) for span in _decode(body)]

    async def trace(self, trace_id: str, kind: str = "server") -> list[Received]:
        """The spans of a trace, once its last one, of that kind, is there."""

        async def complete() -> list[Received]:
            spans = [span for span in self.spans if span.trace_id == trace_id]
            return spans if any(span.kind == kind for span in spans) else []

        return await eventually(complete)


@contextmanager
def run_sink() -> Iterator[Sink]:
    """Serve a sink on a free port, in threads of its own."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sink.raw.append(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/traces"
            sink.hang.wait()
            if isinstance(sink.answer, bytes):
                self.wfile.write(sink.answer)
                return
            self.send_response(sink.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            sink.hang.set()
            server.shutdown()
            thread.join()


def _decode(body: bytes) -> Iterator[Received]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = _plain(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Received(
                    service=str(about["service.name"]),
                    version=str(about["service.version"]),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    kind=KINDS[span.kind],
                    name=span.name,
                    attributes=_plain(span.attributes),
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                )


def _plain(attributes: Any) -> dict[str, str | int]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}
