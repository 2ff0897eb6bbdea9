"""What happens around every request. Pure ASGI: BaseHTTPMiddleware would break event streams."""

import re
import time
from http import HTTPStatus
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.context import quotas_var, request_id_var
from app.core.errors import ApiError, problem_response
from app.drain import Drain
from app.telemetry.http import RequestTracer

MAX_BODY_BYTES = 1024 * 1024
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET_PATHS = {"/healthz", "/readyz", "/metrics"}
DOCS_PATHS = {"/docs", "/openapi.json"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-site",
}
CSP = "default-src 'none'; frame-ancestors 'none'"
HSTS = "max-age=31536000; includeSubDomains"

log = structlog.get_logger()


class RequestMiddleware:
    """Request id, trace, security headers, access log, and the last net for errors."""

    def __init__(
        self, app: ASGIApp, *, development: bool, drain: Drain, tracer: RequestTracer
    ) -> None:
        self._app = app
        self._tracer = tracer
        self._drain = drain
        self._development = development
        self._headers = HEADERS if development else {**HEADERS, "Strict-Transport-Security": HSTS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id_var.set(_request_id(Headers(scope=scope)))
        quotas_var.set(())
        await self._handle(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 0
        trace = None if scope["path"] in QUIET_PATHS else self._tracer.begin(scope)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(scope["path"], MutableHeaders(scope=message))
                if trace:
                    self._tracer.end(trace, scope, status)
            await send(message)

        try:
            await self._run(scope, receive, send_with_headers)
        except Exception:
            log.exception("request.failed")
            if status:
                raise  # too late for an answer: the server closes the connection
            await _internal_error(scope)(scope, receive, send_with_headers)
        finally:
            if trace:
                self._tracer.end(trace, scope, status)
            _log_access(scope, status, started)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            await problem_response(body_too_large(), scope["path"])(scope, receive, send)
            return
        received = 0

        async def receive_with_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                # FastAPI, which reads the body, lets HTTPException alone pass as it is.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        await self._app(scope, receive_with_limit, send)

    def _add_headers(self, path: str, headers: MutableHeaders) -> None:
        headers["X-Request-ID"] = request_id_var.get()
        for name, value in self._headers.items():
            headers[name] = value
        if not (self._development and path in DOCS_PATHS):
            headers["Content-Security-Policy"] = CSP
        headers.setdefault("Cache-Control", "no-store")
        if quotas := quotas_var.get():
            # Of several limits the one that is reached first.
            headers.update(min(quotas, key=lambda quota: quota.remaining).headers)
        if self._drain.started:
            headers["Connection"] = "close"


def body_too_large() -> ApiError:
    """The 413 for bodies of more than MAX_BODY_BYTES."""
    return ApiError(
        f"The body may have at most {MAX_BODY_BYTES} bytes.",
        "body_too_large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid4().hex


def _internal_error(scope: Scope) -> ASGIApp:
    error = ApiError(
        "Something went wrong on our side. Quote the request_id when you report it.",
        "internal_error",
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    return problem_response(error, scope["path"])


def _log_access(scope: Scope, status: int, started: float) -> None:
    if scope["path"] in QUIET_PATHS:
        return
    client = scope.get("client")
    log.info(
        "request.handled",
        method=scope["method"],
        path=scope["path"],
        status=status,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
        client=client[0] if client else None,
    )
