"""Serves the app at HOST:PORT until SIGTERM or SIGINT: `python -m app`."""

import sys

import uvicorn
from pydantic import ValidationError

from app.settings import Settings

GRACEFUL_SHUTDOWN_S = 5


def main() -> None:
    """Check the settings, then serve."""
    try:
        settings = Settings()
    except ValidationError as error:
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]).upper()
            print(f"error: {name}: {item['msg']}", file=sys.stderr)
        sys.exit(1)
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        reload=settings.reload,
        reload_dirs=["app"] if settings.reload else None,
        # create_app configures the logs; RequestMiddleware writes the access log.
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )


if __name__ == "__main__":
    main()
