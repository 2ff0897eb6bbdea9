"""Serves the API with uvicorn."""

import socket
from typing import Any

import uvicorn

from app.protocol import BoundedProtocol
from app.settings import Settings, settings_or_exit

GRACEFUL_SHUTDOWN_S = 5


def server_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn serves the API, wherever it runs."""
    return {
        # create_app configures the logs; RequestMiddleware writes the access log.
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "http": BoundedProtocol,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_S,
    }


def serve(listener: socket.socket | None = None) -> None:
    """Serve until SIGTERM or SIGINT, on `listener` or else at HOST:PORT."""
    settings = settings_or_exit()
    config = uvicorn.Config(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        **server_options(settings),
    )
    uvicorn.Server(config).run(sockets=[listener] if listener else None)
