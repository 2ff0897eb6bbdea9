"""The span of a request: from its arrival until its answer starts."""

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import Scope

from app.telemetry.tracing import Telemetry, Trace, read_context

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class RequestTracer:
    """Makes one span for each request."""

    def __init__(self, app: FastAPI, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        # What a route knows itself lacks the prefixes of the routers around it.
        self._templates = {
            getattr(route.original_route, "endpoint", None): route.path_format
            for route in iter_route_contexts(app.routes)
        }

    def begin(self, scope: Scope) -> Trace | None:
        """Begin the span, as part of the caller's trace if the caller has one."""
        method = _known_method(scope)
        attributes = {
            "http.request.method": method,
            "url.path": scope["path"],
            "url.scheme": scope["scheme"],
        }
        headers = Headers(scope=scope)
        parent = read_context(headers) if "traceparent" in headers else Context()
        return self._telemetry.begin(SpanKind.SERVER, method, attributes, parent)

    def end(self, request: Trace, scope: Scope, status: int) -> None:
        """End it with the status of the answer, or 0 if there was none."""
        if not request.is_open:
            return
        request.is_open = False
        span = request.root
        template = self._templates.get(scope.get("endpoint"))
        if template:
            span.update_name(f"{_known_method(scope)} {template}")
            span.set_attribute("http.route", template)
        if status:
            span.set_attribute("http.response.status_code", status)
        if not status or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_attribute("error.type", str(status) if status else "no_answer")
            span.set_status(StatusCode.ERROR)
        span.end()


def _known_method(scope: Scope) -> str:
    """The method; a client may make up any number of others."""
    method: str = scope["method"]
    return method if method in METHODS else "_OTHER"
