"""Runs the API: `python -m app`."""

from pathlib import Path
from typing import Any

import uvicorn

from app.settings import Settings, settings_or_exit

GRACEFUL_SHUTDOWN_S = 5


def server_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn serves the API, wherever it runs."""
    return {
        # create_app configures the logs; RequestMiddleware writes the access log.
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_S,
    }


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = settings_or_exit()
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        reload=settings.reload,
        reload_dirs=[str(Path(__file__).parent)] if settings.reload else None,
        **server_options(settings),
    )


if __name__ == "__main__":
    main()
