"""Commands and servers of the API as processes of their own."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2 as httpx

from app.settings import Settings
from tests.running import http_client
from tests.waiting import eventually

FOLDER = Path(__file__).parents[1]


def environment_of(settings: Settings, **changes: str) -> dict[str, str]:
    """Variables for a process with those settings."""
    return {
        **os.environ,
        "POSTGRES_DB": settings.postgres_db,
        "REDIS_PREFIX": settings.redis_prefix,
        "JOB_QUEUE": settings.job_queue,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "",
        "RELOAD": "false",
        **changes,
    }


async def run(settings: Settings, *arguments: str, **changes: str) -> tuple[int, str]:
    """Run a command to its end; returns its status and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=FOLDER, env=environment_of(settings, **changes),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()


@asynccontextmanager
async def server_process(
    settings: Settings, folder: Path = FOLDER, **changes: str
) -> AsyncIterator[tuple[Process, str]]:
    """`python -m app` on a free port; yields the process and its URL."""
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", cwd=folder,
        env=environment_of(settings, PORT=str(port), **changes),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        await eventually(lambda: _answers(url), within_s=30)
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answers(url: str) -> bool:
    try:
        async with http_client() as client:
            return (await client.get(f"{url}/healthz")).status_code == 200
    except httpx.TransportError:
        return False
