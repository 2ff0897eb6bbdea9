"""Runs the worker: `python -m app`."""

import uvicorn

from app.logs import configure_logging
from app.main import create_app
from app.settings import settings_or_exit

if __name__ == "__main__":
    settings = settings_or_exit()
    configure_logging(settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Only probes ask, and the jobs wait behind them when the worker stops.
        timeout_graceful_shutdown=1,
    )
