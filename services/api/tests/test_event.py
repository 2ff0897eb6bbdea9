"""The event stream."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest

from app.event import service
from app.event.hub import QUEUE_SIZE, READY, Subscription
from app.settings import Settings
from tests import database
from tests.jobs import claim, create_job, set_job
from tests.people import People, Person
from tests.proxy import Proxy
from tests.running import Api, http_client, run_api
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
CROWD = 100  # clients in this process; the drill of promise 13 has 1,000 beside the API


@dataclass
class Stream:
    """Events of one client, as they come."""

    events: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self, within_s: float = 5) -> tuple[str, Any]:
        """The next event: its name and data."""
        return await asyncio.wait_for(self.events.get(), within_s)

    async def job(self, job_id: str, status: str, within_s: float = 5) -> dict[str, Any]:
        """Wait until the stream tells that the job has that status."""

        async def wait() -> dict[str, Any]:
            while True:
                name, data = await self.events.get()
                if name == "job" and data["id"] == job_id and data["status"] == status:
                    found: dict[str, Any] = data
                    return found

        return await asyncio.wait_for(wait(), within_s)


@asynccontextmanager
async def streaming(person: Person, api: Api | None = None) -> AsyncIterator[Stream]:
    """A stream that a client of that person reads, after its `ready`."""
    stream, host = Stream(), api or person.api
    task = asyncio.create_task(_read(host.client(person.token), stream))
    try:
        # Many clients at once take their time to be made on a busy machine.
        assert await stream.next(within_s=20) == ("ready", {})
        yield stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _read(client: httpx.AsyncClient, stream: Stream) -> None:
    async with client, client.stream("GET", "/api/v1/events", timeout=None) as response:
        assert response.status_code == 200
        name = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                stream.events.put_nowait((name, json.loads(line.removeprefix("data: "))))
    stream.ended.set()


async def test_stream_is_not_buffered_or_cached(admin: httpx.AsyncClient) -> None:
    """The stream has the headers that keep caches and proxies from holding it back."""
    async with admin.stream("GET", "/api/v1/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"


async def test_changes_arrive_as_the_job_is_now(
    people: People, postgres: "asyncpg.Connection"
) -> None:
    """A stream begins with `ready` and tells each change of a job with the job as GET shows it."""
    person = await people.create("manager")
    async with streaming(person) as stream, person.client() as client:
        job = await create_job(client)
        assert await stream.job(job["id"], "queued") == job
        await claim(postgres, job["id"])
        await set_job(postgres, job["id"], progress_done=5, progress_total=10)
        running = await stream.job(job["id"], "running")
        while running["progress"]["done"] != 5:
            running = await stream.job(job["id"], "running")
        assert running == (await client.get(f"/api/v1/jobs/{job['id']}")).json()
        await set_job(postgres, job["id"], status="failed", error="no luck")
        assert (await stream.job(job["id"], "failed"))["error"] == "no luck"


async def test_heartbeats_make_no_noise(people: People, postgres: "asyncpg.Connection") -> None:
    """A worker that extends its lease sends no event."""
    person = await people.create("manager")
    async with streaming(person) as stream, person.client() as client:
        job = await create_job(client)
        await claim(postgres, job["id"])
        await stream.job(job["id"], "running")
        await postgres.execute(
            "UPDATE jobs SET lease_expires_at = now() + interval '15 s' WHERE id = $1", job["id"]
        )
        await set_job(postgres, job["id"], status="succeeded")
        assert (await stream.next())[1]["status"] == "succeeded"


async def test_streams_tell_only_what_one_may_see(people: People) -> None:
    """Others' jobs are told only to those with job:read_all."""
    permissions = ("export:create", "job:read")
    mine, other = await people.create_with(*permissions), await people.create_with(*permissions)
    manager = await people.create("manager")
    async with streaming(mine) as me, streaming(other) as them, streaming(manager) as all_jobs:
        async with mine.client() as client:
            job = await create_job(client)
        async with other.client() as client:
            theirs = await create_job(client)
        await all_jobs.job(job["id"], "queued")
        await me.job(job["id"], "queued")
        assert (await them.next())[1]["id"] == theirs["id"]


async def test_events_are_quick(people: People, postgres: "asyncpg.Connection") -> None:
    """From the worker's COMMIT to the client it takes less than 100 ms, 95 times of 100."""
    person = await people.create("manager")
    latencies = []
    async with streaming(person) as stream, person.client() as client:
        job = await create_job(client)
        await stream.job(job["id"], "queued")
        await claim(postgres, job["id"])
        await stream.job(job["id"], "running")
        for number in range(1, 51):
            await set_job(postgres, job["id"], progress_done=number)
            committed = time.perf_counter()
            _, data = await stream.next()
            latencies.append(time.perf_counter() - committed)
            assert data["progress"]["done"] == number
    assert sorted(latencies)[47] < 0.1, latencies


async def test_streams_hold_no_database_connection(api: Api, people: People) -> None:
    """More streams than the pool has connections are served, and requests beside them."""
    crowd = [await people.create("manager") for _ in range(6)]
    async with asyncio.TaskGroup() as group:
        done = asyncio.Event()
        ready = [0]

        async def stay(person: Person) -> None:
            async with streaming(person) as stream:
                ready[0] += 1
                await done.wait()
                assert stream.events.empty()

        async def all_ready() -> bool:
            return ready[0] == 60

        for number in range(60):
            group.create_task(stay(crowd[number % 6]))
        await eventually(all_ready, within_s=30)
        async with crowd[0].client() as client:
            assert (await client.get("/api/v1/jobs")).status_code == 200
        pool = api.resources.database.engine.pool
        assert pool.checkedout() <= 2  # type: ignore[attr-defined] # QueuePool has it
        done.set()


async def test_a_stream_ends_with_its_session(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon after logout the stream of that session ends."""
    monkeypatch.setattr(service, "CHECK_S", 0.5)
    person = await people.create("manager")
    async with streaming(person) as stream:
        async with person.client() as client:
            await client.post("/api/v1/auth/logout")
        await asyncio.wait_for(stream.ended.wait(), 5)


async def test_a_stream_ends_with_its_token(
    people: People, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream does not outlive the access token that opened it."""
    monkeypatch.setattr(service, "CHECK_S", 0.5)
    person = await people.create("manager")
    tokens = api.resources.tokens
    claims = tokens.verify(person.token)
    object.__setattr__(claims, "expires_at", int(time.time()) + 2)
    async with streaming(person) as stream:
        await asyncio.wait_for(stream.ended.wait(), 5)


async def test_clients_refetch_after_an_outage(own_settings: Settings) -> None:
    """When the connection for notifications was away, `ready` tells the client to fetch again."""
    async with Proxy(own_settings.postgres_address) as proxy:
        behind = own_settings.model_copy(update={"postgres_address": proxy.address})
        async with run_api(behind) as api:
            person = await People(api).create("manager")
            async with streaming(person) as stream, person.client() as client:
                await proxy.cut()
                await proxy.restore()
                assert await stream.next(within_s=10) == ("ready", {})
                job_id = await eventually(lambda: _created(client))
                assert job_id
                await stream.job(job_id, "queued")


async def test_many_clients_return_at_once(own_settings: Settings) -> None:
    """All clients lose their streams while jobs change: each comes back and has the true state."""
    roomy = own_settings.model_copy(update={"max_event_streams_per_user": CROWD})
    async with run_api(roomy) as api, Proxy(api.url.removeprefix("http://")) as proxy:
        person = await People(api).create("manager")
        async with person.client() as client:
            job = await create_job(client)
        followers = Followers(Api(api.app, f"http://{proxy.address}", ()), person, job["id"])
        connection = await database.connect(own_settings, own_settings.postgres_db)
        async with followers.running(CROWD):
            await eventually(lambda: followers.all_know("queued"), within_s=60)
            for status in ("failed", "succeeded"):
                await proxy.cut()
                await set_job(connection, job["id"], status=status)
                await proxy.restore()
                await set_job(connection, job["id"], progress_done=1)
                began = time.perf_counter()
                await eventually(partial(followers.all_know, status), within_s=60)
                print(f"{CROWD} clients know after {time.perf_counter() - began:.2f} s")  # noqa: T201 - the figure
            pool: Any = api.resources.database.engine.pool
            assert pool.checkedout() <= 2
        await connection.close()


@dataclass
class Followers:
    """Clients that follow one job as the browser does: `ready` means to fetch."""

    api: Api
    person: Person
    job_id: str
    known: dict[int, str] = field(default_factory=dict)
    failures: Counter[int] = field(default_factory=Counter)

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator[None]:
        """Follow meanwhile."""
        limits = httpx.Limits(max_connections=None)
        async with http_client(
            self.api.url, self.person.token, limits=limits, timeout=60
        ) as client:
            self.known = dict.fromkeys(range(count), "")
            tasks = [asyncio.create_task(self._follow(client, number)) for number in range(count)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def all_know(self, status: str) -> bool:
        """Whether every client knows that status."""
        return set(self.known.values()) == {status}

    async def _follow(self, client: httpx.AsyncClient, number: int) -> None:
        while True:
            self.failures[number] += 1
            with suppress(httpx.TransportError):
                async with client.stream("GET", "/api/v1/events") as stream:
                    if stream.status_code == 200:
                        await self._read(client, stream, number)
            # As the browser does: longer after each failure, and not all at once.
            longest = min(0.2 * 2 ** self.failures[number], 30)
            await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - no secret

    async def _read(self, client: httpx.AsyncClient, stream: httpx.Response, number: int) -> None:
        async for line in stream.aiter_lines():
            if line == "event: ready":
                job = await client.get(f"/api/v1/jobs/{self.job_id}")
                if job.status_code != 200:
                    return
                self.known[number] = job.json()["status"]
                self.failures[number] = 0
            elif line.startswith("data: ") and self.job_id in line:
                self.known[number] = json.loads(line.removeprefix("data: "))["status"]


async def _created(client: httpx.AsyncClient) -> str | None:
    response = await client.post("/api/v1/export", json={"type": "users"})
    return str(response.json()["id"]) if response.status_code == 202 else None


async def test_slow_readers_are_told_to_refetch(people: People) -> None:
    """Who reads too slowly loses what waits, gets `ready` instead, and holds no memory."""
    principal = await _principal(people)
    subscription = Subscription(principal)
    assert await subscription.take(1) == READY
    for number in range(QUEUE_SIZE):
        subscription.offer(b"event %d\n" % number)
    subscription.offer(b"one too many\n")
    subscription.offer(b"after that\n")
    assert await subscription.take(1) == READY + b"after that\n"


async def _principal(people: People) -> Any:
    person = await people.create("manager")
    principal, _ = await person.api.resources.authenticator.authenticate(person.token)
    return principal


async def test_streams_need_permission(people: People) -> None:
    """Without job:read there is no stream."""
    person = await people.create_with("user:read")
    async with person.client() as client:
        assert (await client.get("/api/v1/events")).status_code == 403
