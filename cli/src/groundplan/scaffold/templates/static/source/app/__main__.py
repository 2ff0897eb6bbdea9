"""Serves the files at HOST:PORT until SIGTERM or SIGINT: `python -m app`."""

import os

import uvicorn

GRACEFUL_SHUTDOWN_S = 5

if __name__ == "__main__":
    uvicorn.run(
        "app.main:app",
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "8000")),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )
