"""An API that runs inside the test process, served by uvicorn on a free port."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import uvicorn
from fastapi import FastAPI

from app.main import create_app
from app.resources import Resources
from app.server import server_options
from app.settings import Settings

# Trusts nobody: to load the system's certificate authorities takes each client 50 ms.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(
    url: str = "", token: str | None = None, timeout: float = 20, **options: Any
) -> httpx.AsyncClient:
    """A client for plain HTTP, signed in if it has a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(
        base_url=url, headers=headers, timeout=timeout, verify=NO_AUTHORITIES, **options
    )


class _Server(uvicorn.Server):
    """Leaves the signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Api:
    """A running API."""

    app: FastAPI
    url: str
    connections: Collection[Any]

    @property
    def resources(self) -> Resources:
        """What the process of the API holds."""
        resources = self.app.state.resources
        assert isinstance(resources, Resources)
        return resources

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A client, signed in if it has a token."""
        return http_client(self.url, token)


@asynccontextmanager
async def run_api(settings: Settings) -> AsyncIterator[Api]:
    """Serve an API with those settings."""
    app = create_app(settings)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, **server_options(settings))
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the API did not start"
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Api(app, f"http://127.0.0.1:{port}", server.server_state.connections)
    finally:
        server.should_exit = True
        app.state.resources.events.close()
        await task


async def counted(client: httpx.AsyncClient, name: str) -> float:
    """A counter of `/metrics`."""
    lines = (await client.get("/metrics")).text.splitlines()
    [value] = [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]
    return float(value)
