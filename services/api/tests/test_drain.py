"""Leaving without failing a request, and how long that takes."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import pytest

from app.settings import Settings
from tests.people import People, Person
from tests.process import server_process
from tests.running import http_client, run_api
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
CLIENTS = 8
# Nobody reads the log, which would fill the pipe and hold up the server.
BUSY: dict[str, Any] = {"LOG_LEVEL": "ERROR", "RATE_LIMIT_DEFAULT": "100000/minute"}


@dataclass
class Load:
    """Clients on keep-alive connections, and a balancer that sends new ones to who is ready."""

    servers: list[str]
    token: str
    answered: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    ended: bool = False

    async def balance(self) -> None:
        """Take servers that are not ready from the list."""
        async with http_client() as client:
            while not self.ended:
                for url in list(self.servers):
                    if (await client.get(f"{url}/readyz")).status_code == 503:
                        self.servers.remove(url)
                await asyncio.sleep(0.1)

    async def ask(self) -> None:
        """Ask, on connections that stay until the server closes them."""
        async with http_client(token=self.token) as client:
            while not self.ended:
                url = self.servers[0]
                try:
                    response = await client.get(f"{url}/api/v1/users?limit=5")
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    await asyncio.sleep(0.1)
                    continue
                if response.status_code != 200:
                    self.failures.append(response.text)
                self.answered[url] = self.answered.get(url, 0) + 1


@asynccontextmanager
async def under_load(load: Load) -> AsyncIterator[None]:
    """Keep asking meanwhile."""
    work = [asyncio.create_task(task()) for task in (load.balance, *([load.ask] * CLIENTS))]
    try:
        yield
    finally:
        load.ended = True
        await asyncio.gather(*work)


@pytest.fixture
async def person(own_settings: Settings) -> Person:
    """Who asks."""
    async with run_api(own_settings) as api:
        return await People(api).create("admin")


async def test_no_request_fails_when_a_server_leaves(
    own_settings: Settings, person: Person
) -> None:
    """Under load one of two servers is told to stop: all requests succeed, and it ends in time."""
    async with (
        server_process(own_settings, **BUSY, DRAIN_SECONDS="1.5") as (leaving, first),
        server_process(own_settings, **BUSY) as (_, second),
    ):
        load = Load([first, second], person.token)
        async with under_load(load):
            await eventually(lambda: _answered(load, first, 50), within_s=30)
            leaving.send_signal(signal.SIGTERM)
            await eventually(lambda: _answered(load, second, 50), within_s=30)
            await asyncio.wait_for(leaving.wait(), 10)
        assert load.failures == []
        assert load.servers == [second]


async def _answered(load: Load, url: str, count: int) -> bool:
    return load.answered.get(url, 0) >= count


async def test_while_it_drains(own_settings: Settings, person: Person) -> None:
    """It is not ready at once, ends streams and asks clients to go; a second signal ends it."""
    async with (
        server_process(own_settings, DRAIN_SECONDS="60") as (process, url),
        http_client(url, person.token) as client,
    ):
        assert "connection" not in (await client.get("/readyz")).headers
        async with client.stream("GET", "/api/v1/events") as stream:
            process.send_signal(signal.SIGTERM)
            async for _ in stream.aiter_bytes():
                pass
        for path, status in (("/readyz", 503), ("/healthz", 200), ("/nope", 404)):
            response = await client.get(path)
            assert (response.status_code, response.headers["connection"]) == (status, "close")
        assert (await client.get("/readyz")).json()["status"] == "unavailable"
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 5)
        assert process.stdout is not None
        assert "Traceback" not in (await process.stdout.read()).decode()
