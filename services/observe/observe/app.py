"""The HTTP side: OTLP comes in at /v1/traces, the tool asks at /api."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from observe import otlp
from observe.recorder import Recorder
from observe.settings import Settings
from observe.store import Reader

_MAX_LISTED = 1000
_RETRY_AFTER = "1"


def create_app(settings: Settings) -> Starlette:
    """The application; it writes below `settings.data` while it runs."""
    return Starlette(
        routes=[
            Route("/v1/traces", receive, methods=["POST"]),
            Route("/api/edges", edges, methods=["GET"]),
            Route("/api/edges", forget_edges, methods=["DELETE"]),
            Route("/api/traces", traces),
            Route("/api/traces/last", last_trace),
            Route("/api/traces/{trace_id}", trace),
            Route("/healthz", healthz),
        ],
        lifespan=_lifespan(settings),
    )


def _lifespan(settings: Settings):  # type: ignore[no-untyped-def] # noqa: ANN202 - Starlette's
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.settings = settings
        app.state.recorder = Recorder(settings)
        app.state.reader = Reader(settings.data / "observe.db")
        app.state.recorder.start()
        yield
        await run_in_threadpool(app.state.recorder.stop)

    return lifespan


async def receive(request: Request) -> Response:
    """POST /v1/traces, as OTLP says."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        body = await _body(request)
        export = await run_in_threadpool(_read, request, body, media_type)
    except otlp.RequestError as error:
        return _refusal(error, media_type)
    except ClientDisconnect:
        return Response(status_code=400)
    if not request.app.state.recorder.put(export.spans):
        return _refusal(otlp.RequestError(503, "Too many spans wait to be written."), media_type)
    return Response(otlp.success(export.rejected, media_type), media_type=media_type)


def _refusal(error: otlp.RequestError, media_type: str) -> Response:
    answer_type = otlp.JSON if media_type == otlp.JSON else otlp.PROTOBUF
    body = otlp.failure(error.reason, answer_type)
    headers = {"Retry-After": _RETRY_AFTER} if error.status == 503 else None  # noqa: PLR2004
    return Response(body, status_code=error.status, media_type=answer_type, headers=headers)


async def _body(request: Request) -> bytes:
    limit = request.app.state.settings.max_body
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise otlp.RequestError(413, f"The body is larger than {limit} bytes.")
    return bytes(body)


def _read(request: Request, body: bytes, media_type: str) -> otlp.Export:
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    plain = otlp.decompress(body, encoding, request.app.state.settings.max_body)
    return otlp.read(plain, media_type)


def edges(request: Request) -> Response:
    """GET /api/edges?since=SECONDS: who called whom since then."""
    try:
        since = float(request.query_params.get("since", "0"))
    except ValueError:
        return _problem(400, "since must be a number of seconds since 1970.")
    return JSONResponse({"edges": request.app.state.recorder.edges(since)})


def forget_edges(request: Request) -> Response:
    """DELETE /api/edges: the beginning of a measurement."""
    request.app.state.recorder.clear()
    return Response(status_code=204)


def traces(request: Request) -> Response:
    """GET /api/traces?limit=N: the newest traces."""
    limit = request.query_params.get("limit", "20")
    if not limit.isdigit():
        return _problem(400, "limit must be a whole number.")
    return JSONResponse({"traces": request.app.state.reader.traces(min(int(limit), _MAX_LISTED))})


def last_trace(request: Request) -> Response:
    """GET /api/traces/last?operation=PATTERN: the newest trace in which that was done."""
    pattern = request.query_params.get("operation", "*")
    found = request.app.state.reader.last(pattern)
    return _trace(request, found) if found else _problem(404, "There is no such trace.")


def trace(request: Request) -> Response:
    """GET /api/traces/ID: all spans of a trace."""
    try:
        trace_id = bytes.fromhex(request.path_params["trace_id"])
    except ValueError:
        return _problem(400, "A trace's id is hexadecimal.")
    return _trace(request, trace_id)


def _trace(request: Request, trace_id: bytes) -> Response:
    spans = request.app.state.reader.trace(trace_id)
    if not spans:
        return _problem(404, "There is no such trace.")
    return JSONResponse({"trace_id": trace_id.hex(), "spans": spans})


def healthz(request: Request) -> Response:
    """GET /healthz: 200 while spans are written."""
    is_alive = request.app.state.recorder.is_alive
    return JSONResponse({"status": "ok" if is_alive else "failed"}, 200 if is_alive else 503)


def _problem(status: int, detail: str) -> Response:
    body = {"title": "The request can't be answered", "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")
