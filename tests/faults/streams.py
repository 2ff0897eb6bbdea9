"""Clients of the event stream that behave as the frontend does."""

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2

from drill import Drill

# As in services/frontend/src/lib/events.ts.
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
# One for all clients: to make one takes longer than all else that a client does.
_TLS = ssl.create_default_context()


class Watcher:
    """Reads events, reads all jobs again at each `ready`, and reconnects for ever."""

    def __init__(self, urls: list[str], token: str) -> None:
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {token}"}
        self.ready = asyncio.Event()
        self.connections = 0
        self._failures = 0
        self.jobs: dict[str, str] = {}
        """Job → the status that the client shows."""

    async def run(self) -> None:
        """Watch until cancelled."""
        async with httpx2.AsyncClient(
            headers=self._headers, timeout=httpx2.Timeout(20, read=60), verify=_TLS
        ) as client:
            while True:
                url = self._urls[self.connections % len(self._urls)]
                self.connections += 1
                with suppress(httpx2.HTTPError):
                    await self._read(client, url)
                delay = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2**self._failures)
                self._failures += 1
                await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - jitter

    async def _read(self, client: httpx2.AsyncClient, url: str) -> None:
        async with client.stream("GET", f"{url}/api/v1/events") as response:
            response.raise_for_status()
            event = ""
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    await self._take(client, url, event, json.loads(line.removeprefix("data: ")))

    async def _take(
        self, client: httpx2.AsyncClient, url: str, event: str, data: dict[str, str]
    ) -> None:
        if event == "job":
            self.jobs[data["id"]] = data["status"]
        elif event == "ready":
            answer = await client.get(f"{url}/api/v1/jobs?limit=100")
            answer.raise_for_status()  # it comes again, and asks again
            self.jobs |= {job["id"]: job["status"] for job in answer.json()["items"]}
            self._failures = 0
            self.ready.set()


@asynccontextmanager
async def watching(drill: Drill, count: int) -> AsyncIterator[list[Watcher]]:
    """So many clients, spread over users and APIs."""
    urls = [api.url for api in drill.stack.apis]
    watchers = [
        Watcher(urls[number % len(urls) :] + urls, drill.users[number % len(drill.users)].token)
        for number in range(count)
    ]
    tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
    try:
        yield watchers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
