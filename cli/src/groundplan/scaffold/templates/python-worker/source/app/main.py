"""The health endpoints; the worker runs as long as they are served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.settings import Settings
from app.worker import run_worker

HEADERS = {"Cache-Control": "no-store"}
CHECK_TIMEOUT_S = 2

log = structlog.get_logger()


def create_app(settings: Settings) -> Starlette:
    """The app, connected to nothing until it starts."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with run_worker(settings) as checks:
            app.state.checks = checks
            log.info("worker.started")
            yield
            log.info("worker.stopping")
        log.info("worker.stopped")

    return Starlette(
        routes=[Route("/healthz", _alive), Route("/readyz", _ready)], lifespan=lifespan
    )


async def _alive(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"}, headers=HEADERS)


async def _ready(request: Request) -> JSONResponse:
    """503 while something that jobs need does not answer."""
    checks: dict[str, Callable[[], Awaitable[None]]] = request.app.state.checks
    states = await asyncio.gather(*(_run(check) for check in checks.values()))
    ready = all(state == "ok" for state in states)
    body = {
        "status": "ok" if ready else "unavailable",
        "checks": dict(zip(checks, states, strict=True)),
    }
    return JSONResponse(body, status_code=200 if ready else 503, headers=HEADERS)


async def _run(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the server can't be used
        log.debug("check.failed", error=repr(error))
        return "unavailable"
    return "ok"
