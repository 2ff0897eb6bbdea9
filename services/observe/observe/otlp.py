"""Reads OTLP/HTTP requests and writes the answers: protobuf and JSON, plain or compressed.

The protocol is https://opentelemetry.io/docs/specs/otlp/#otlphttp.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from observe.span import Attributes, Kind, Span

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_ID_LENGTHS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
_MAX_TEXT = 500
_KINDS = {kind.value: kind for kind in Kind}
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class RequestError(Exception):
    """A request that can't be read, with the HTTP status that says so."""

    status: int
    reason: str


@dataclass(frozen=True)
class Export:
    """The spans of a request, and how many more there were that can't be used."""

    spans: list[Span]
    rejected: int


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding; raises RequestError, also beyond `limit` bytes."""
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise RequestError(415, f"The Content-Encoding {encoding!r} is not supported; use gzip.")
    stream = zlib.decompressobj(_GZIP)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise RequestError(400, f"The body is no gzip: {error}.") from error
    if len(plain) > limit:
        raise RequestError(413, f"The body is larger than {limit} bytes once decompressed.")
    if not stream.eof:
        raise RequestError(400, "The gzip stream ends too early.")
    return plain


def read(body: bytes, media_type: str) -> Export:
    """The spans of an ExportTraceServiceRequest; raises RequestError for what is none."""
    if media_type == PROTOBUF:
        return _export(_from_protobuf(body))
    if media_type == JSON:
        return _export(_from_json(body))
    raise RequestError(415, f"The Content-Type must be {PROTOBUF} or {JSON}.")


def success(rejected: int, media_type: str) -> bytes:
    """The body of the answer to a request that was read."""
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = (
            "Spans need a trace id of 16 bytes and a span id of 8, neither of them zero."
        )
    return _encode(response, media_type)


def failure(reason: str, media_type: str) -> bytes:
    """The body of the answer to a request that was refused."""
    # google.rpc.Status has its message under the same number, and nothing else is said here.
    return _encode(trace_pb2.Status(message=reason), media_type)


def _encode(message: Message, media_type: str) -> bytes:
    if media_type == JSON:
        return json_format.MessageToJson(message, indent=None).encode()
    return message.SerializeToString()


def _from_protobuf(body: bytes) -> ExportTraceServiceRequest:
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise RequestError(400, "The body is no ExportTraceServiceRequest.") from error


def _from_json(body: bytes) -> ExportTraceServiceRequest:
    try:
        tree = json.loads(body)
        for node in _spans_of(tree):
            _use_base64(node)
            for link in node.get("links") or []:
                _use_base64(link)
        return json_format.ParseDict(tree, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.ParseError) as error:
        reason = str(error).partition("\n")[0][:_MAX_TEXT]
        raise RequestError(400, f"The body is no ExportTraceServiceRequest: {reason}") from error


def _spans_of(tree: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON has any shape
    for resource in tree.get("resourceSpans") or []:
        for scope in resource.get("scopeSpans") or []:
            yield from scope.get("spans") or []


def _use_base64(node: dict[str, Any]) -> None:
    """OTLP writes ids in hexadecimal, where the usual JSON of protobuf has base64."""
    for name in _ID_LENGTHS.keys() & node.keys():
        try:
            node[name] = base64.b64encode(bytes.fromhex(node[name])).decode()
        except (TypeError, ValueError):
            node[name] = ""  # is counted as rejected


def _export(request: ExportTraceServiceRequest) -> Export:
    spans: list[Span] = []
    rejected = 0
    for resource in request.resource_spans:
        service = str(_attributes(resource.resource.attributes).get("service.name", ""))
        for scope in resource.scope_spans:
            for node in scope.spans:
                if _is_id(node.trace_id, 16) and _is_id(node.span_id, 8):
                    spans.append(_span(node, service or "unknown_service"))
                else:
                    rejected += 1
    return Export(spans, rejected)


def _is_id(value: bytes, length: int) -> bool:
    return len(value) == length and any(value)


def _span(node: trace_pb2.Span, service: str) -> Span:
    return Span(
        trace_id=node.trace_id,
        span_id=node.span_id,
        parent_id=node.parent_span_id if _is_id(node.parent_span_id, 8) else b"",
        service=service,
        name=node.name[:_MAX_TEXT],
        kind=_KINDS.get(node.kind, Kind.UNSPECIFIED),
        start=node.start_time_unix_nano,
        end=node.end_time_unix_nano,
        is_error=node.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        message=node.status.message[:_MAX_TEXT],
        attributes=_attributes(node.attributes),
    )


def _attributes(nodes: Iterable[KeyValue]) -> Attributes:
    """Those that are texts or whole numbers; no other kind is of use here."""
    found: Attributes = {}
    for node in nodes:
        if node.value.HasField("string_value"):
            found[node.key] = node.value.string_value[:_MAX_TEXT]
        elif node.value.HasField("int_value"):
            found[node.key] = node.value.int_value
    return found
