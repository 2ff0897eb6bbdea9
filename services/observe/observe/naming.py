"""What a span says of the call it belongs to, by OpenTelemetry's semantic conventions."""

import re
from urllib.parse import urlsplit

from observe.span import Span

_VARIABLE_SEGMENT = re.compile(
    r"(?<=/)(?:\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})(?=/|$)"
)
_MESSAGING = {"rabbitmq": "amqp"}
_MAX_LENGTH = 200


def protocol_of(span: Span) -> str:
    """How the call is made: "http", "postgresql", "amqp", "s3" …; empty if nothing says so."""
    if system := span.text("db.system.name", "db.system"):
        return system
    if system := span.text("messaging.system"):
        return _MESSAGING.get(system, system)
    if system := span.text("rpc.system", "rpc.system.name"):
        return "s3" if system == "aws-api" else system
    if span.text("http.request.method", "http.method"):
        return "http"
    return span.text("network.protocol.name")


def answers_with_spans(protocol: str, span: Span) -> bool:
    """Whether the other side may be a service that sends spans too, rather than a plain server."""
    return not (protocol == "s3" or span.text("db.system.name", "db.system", "messaging.system"))


def peer_of(span: Span) -> str:
    """The address of the other side, "host:port", or what it is called where there is none."""
    host = span.text("server.address", "net.peer.name")
    port = span.text("server.port", "net.peer.port")
    if host:
        return f"{host}:{port}" if port else host
    return span.text("peer.service", "db.system.name", "messaging.system")


def operation_of(span: Span, protocol: str, server: Span | None = None) -> str:
    """What is asked for, e.g. "GET /api/v1/users/{id}", "SELECT users", "publish jobs"."""
    if protocol == "http":
        return _http(span, server)[:_MAX_LENGTH]
    operation = (
        span.text("db.query.summary")
        or _joined(span, ("messaging.operation.name", "messaging.operation.type"), "destination")
        or span.text("rpc.method").rpartition("/")[2]
        or _joined(span, ("db.operation.name", "db.operation"), "collection")
    )
    return (operation or span.name)[:_MAX_LENGTH]


def _http(span: Span, server: Span | None) -> str:
    method = span.text("http.request.method", "http.method")
    route = server.text("http.route") if server else span.text("http.route")
    path = route or _path(server) or _path(span)
    return f"{method} {path}".strip()


def _path(span: Span | None) -> str:
    """The span's path, with `{id}` for numbers and UUIDs."""
    if span is None:
        return ""
    path = span.text("url.path") or urlsplit(span.text("url.full", "http.url")).path
    return _VARIABLE_SEGMENT.sub("{id}", path.partition("?")[0])


_OBJECTS = {
    "destination": ("messaging.destination.name",),
    "collection": ("db.collection.name",),
}


def _joined(span: Span, verbs: tuple[str, ...], kind: str) -> str:
    verb = span.text(*verbs)
    return f"{verb} {span.text(*_OBJECTS[kind])}".strip() if verb else ""
