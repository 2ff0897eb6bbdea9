"""Restarts the server within a fraction of a second after a change, for development.

A server of forks keeps the libraries loaded, which is nearly all of what a start costs: each new
process imports only our own code. The listening socket stays open all the while, so that a request
during a restart waits instead of failing; only one that the old process had accepted and not read
yet is cut off.
"""

import multiprocessing
import signal
import socket
import threading
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from app.server import serve
from app.settings import Settings

SOURCES = Path(__file__).parent
LIBRARIES = [
    "aio_pika",
    "asyncpg",
    "bcrypt",
    "email_validator",
    "fastapi",
    "jwt",
    "obstore.store",
    "pydantic_settings",
    "redis.asyncio",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "structlog",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
]
TELEMETRY_LIBRARY = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
STOP_TIMEOUT_S = 6.0
DEBOUNCE_MS = 100
STEP_MS = 20


def serve_with_reload(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, anew after each change below app/."""
    from watchfiles import PythonFilter, watch  # noqa: PLC0415 - only developers have it

    context = multiprocessing.get_context("forkserver")
    telemetry = [TELEMETRY_LIBRARY] if settings.otel_exporter_otlp_endpoint else []
    context.set_forkserver_preload(LIBRARIES + telemetry)
    listener = socket.create_server((settings.host, settings.port))
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())

    def start() -> ForkServerProcess:
        process = context.Process(target=serve, args=(listener,))
        process.start()
        return process

    process = start()
    for _ in watch(
        SOURCES, watch_filter=PythonFilter(), stop_event=stopped, debounce=DEBOUNCE_MS, step=STEP_MS
    ):
        _stop(process)
        process = start()
    _stop(process)


def _stop(process: ForkServerProcess) -> None:
    process.terminate()
    process.join(STOP_TIMEOUT_S)
    if process.exitcode is None:
        process.kill()
        process.join()
