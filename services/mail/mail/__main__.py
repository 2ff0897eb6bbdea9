"""Runs the mailr: `python -m mail`."""

import logging
import sys

import uvicorn

from mail.app import create_app
from mail.settings import Settings

_GRACEFUL_SHUTDOWN = 3


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        settings = Settings.from_environment()
    except ValueError:
        sys.exit("error: PORT and the port of SMTP_LISTEN must be numbers")
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
