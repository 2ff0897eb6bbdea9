"""What still works while a server is away, and how it comes back."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2 as httpx
import pytest

from app.cache import Cache, CacheUnavailableError
from app.settings import Settings
from tests import database
from tests.people import PASSWORD, People, Person
from tests.proxy import Proxy
from tests.running import Api, counted, run_api
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
ME = "/api/v1/auth/me"
USERS = "/api/v1/users"


async def status(client: httpx.AsyncClient, path: str) -> int:
    """Status of a GET."""
    return (await client.get(path)).status_code


async def test_without_redis(own_settings: Settings) -> None:
    """Without Redis ordinary routes and sign-in work; what needs Redis says 503."""
    async with Proxy(own_settings.redis_address) as proxy:
        behind = own_settings.model_copy(
            update={"redis_address": proxy.address, "rate_limit_login": "3/minute"}
        )
        async with run_api(behind) as api:
            people = People(api)
            person, boss = await people.create("viewer"), await people.create("admin")
            async with person.client() as client, boss.client() as admin:
                await client.get(USERS)
                await proxy.cut()
                page = await client.get(USERS)
                assert page.status_code == 200
                assert page.headers["cache-status"] == "groundplan; fwd=bypass"
                body = {"email": person.email, "password": PASSWORD}
                login = await client.post("/api/v1/auth/login", json=body)
                assert login.status_code == 200
                assert (await client.post("/api/v1/auth/logout")).status_code == 503
                refresh = {"refresh_token": login.json()["refresh_token"]}
                refused = await client.post("/api/v1/auth/refresh", json=refresh)
                assert refused.status_code == 503
                assert refused.headers["retry-after"]
                answers = [await client.post("/api/v1/auth/login", json=body) for _ in range(3)]
                assert [answer.status_code for answer in answers] == [200, 200, 429]
                before = await counted(client, "groundplan_without_redis_total")
                started = time.perf_counter()
                await asyncio.gather(*(client.get(USERS) for _ in range(20)))
                assert await counted(client, "groundplan_without_redis_total") >= before + 20
                assert time.perf_counter() - started < 5
                ready = (await client.get("/readyz")).json()
                assert (ready["status"], ready["checks"]["redis"]) == ("degraded", "unavailable")
                assert (await admin.post(f"{USERS}/{person.id}/deactivate")).status_code == 200
                assert await status(client, ME) == 401
                await proxy.restore()
                await eventually(lambda: _cached(admin))
                assert await status(client, ME) == 401


async def _cached(client: httpx.AsyncClient) -> bool:
    page = await client.get(USERS)
    return page.headers["cache-status"] == "groundplan; hit"


async def test_many_at_once_are_no_outage_of_redis(own_settings: Settings) -> None:
    """Who waits for a connection longer than Redis may take for an answer gets one all the same."""
    cache = Cache(own_settings)
    try:
        answers = await asyncio.gather(
            *(cache.run(lambda redis: redis.blpop("nothing", 0.25)) for _ in range(250))
        )
        assert answers == [None] * 250
    finally:
        await cache.close()


async def test_a_silent_redis_holds_up_nobody_for_long(own_settings: Settings) -> None:
    """Those who wait for a connection give up together with the first that finds Redis silent."""
    silent = await asyncio.start_server(_accept_and_say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    cache = Cache(own_settings.model_copy(update={"redis_address": f"127.0.0.1:{port}"}))
    try:
        began = time.perf_counter()
        outcomes = await asyncio.gather(*(cache.ping() for _ in range(100)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {CacheUnavailableError}
        assert time.perf_counter() - began < 5
    finally:
        await cache.close()
        silent.close()


async def _accept_and_say_nothing(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.read()
    writer.close()


async def test_no_stale_list_after_redis_returns(own_settings: Settings) -> None:
    """A write while Redis was away counts when Redis is back with all that it held before."""
    async with Proxy(own_settings.redis_address) as proxy:
        behind = own_settings.model_copy(update={"redis_address": proxy.address})
        async with run_api(behind) as api, run_api(own_settings) as other:
            person = await People(api).create("admin", name="Before")
            params = {"q": person.email}
            async with person.client() as client, other.client(person.token) as elsewhere:
                await client.get(USERS, params=params)
                await client.get(ME)
                await proxy.cut()
                changed = await client.patch(f"{USERS}/{person.id}", json={"name": "After"})
                assert changed.status_code == 200
                await proxy.restore()
                await eventually(lambda: _shows(client, params, "After"), within_s=5)
                await eventually(lambda: _shows(elsewhere, params, "After"), within_s=5)


async def _shows(client: httpx.AsyncClient, params: dict[str, Any], name: str) -> bool:
    page = await client.get(USERS, params=params)
    hit = page.headers["cache-status"] == "groundplan; hit"
    return hit and [item["name"] for item in page.json()["items"]] == [name]


async def test_without_postgres(own_settings: Settings) -> None:
    """Without PostgreSQL the answer is 503 with Retry-After; once it is back all is well."""
    async with Proxy(own_settings.postgres_address) as proxy:
        behind = own_settings.model_copy(update={"postgres_address": proxy.address})
        async with run_api(behind) as api, (await People(api).create("admin")).client() as client:
            assert await status(client, "/api/v1/roles") == 200
            await proxy.cut()
            for _ in range(3):
                refused = await client.get("/api/v1/roles")
                assert refused.status_code == 503
                assert refused.json()["code"] == "database_unavailable"
                assert refused.headers["retry-after"]
            ready = await client.get("/readyz")
            assert ready.status_code == 503
            assert ready.json()["status"] == "unavailable"
            assert await status(client, "/healthz") == 200
            await proxy.restore()
            answers = await asyncio.gather(*(client.get("/api/v1/roles") for _ in range(30)))
            assert {answer.status_code for answer in answers} == {200}
            assert await status(client, "/readyz") == 200


# The short one runs beside others on busy machines.
@pytest.mark.parametrize(
    ("outage_s", "recovery_s"), [(3, 15), pytest.param(30, 5, marks=pytest.mark.long)]
)
async def test_a_restart_of_postgres_under_load(
    own_settings: Settings, outage_s: float, recovery_s: float
) -> None:
    """While PostgreSQL is away under load the answer is 503; soon after it all is well."""
    async with Proxy(own_settings.postgres_address) as proxy:
        behind = own_settings.model_copy(update={"postgres_address": proxy.address})
        async with run_api(behind) as api:
            person = await People(api).create("admin")
            load = Load(person)
            async with load.running(20):
                await eventually(lambda: load.has(200, 40), within_s=30)
                await proxy.cut()
                load.reset()
                await asyncio.sleep(outage_s)
                assert load.statuses[503] > 0
                load.reset()
                await proxy.restore()
                began = time.perf_counter()
                await eventually(load.is_well, within_s=30)
                took = time.perf_counter() - began
            print(f"recovery: {took:.2f} s")  # noqa: T201 - the figure
            assert took < recovery_s
            assert load.wrong == []
            pool: Any = api.resources.database.engine.pool
            await eventually(lambda: _is_free(pool))
            assert pool.checkedin() <= pool.size()
        assert not await _connections_left(own_settings)


@dataclass
class Load:
    """Clients that read and write without a pause, and what they are answered."""

    person: Person
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    latest: deque[int] = field(default_factory=lambda: deque(maxlen=40))
    ended: bool = False

    @asynccontextmanager
    async def running(self, clients: int) -> AsyncIterator[None]:
        """Ask meanwhile."""
        tasks = [asyncio.create_task(self._ask()) for _ in range(clients)]
        try:
            yield
        finally:
            self.ended = True
            await asyncio.gather(*tasks)

    def reset(self) -> None:
        """Forget what was answered so far."""
        self.statuses.clear()
        self.latest.clear()

    async def has(self, status: int, count: int) -> bool:
        """Whether there were so many answers with that status."""
        return self.statuses[status] >= count

    async def is_well(self) -> bool:
        """Whether the latest answers were all good."""
        return len(self.latest) == self.latest.maxlen and set(self.latest) == {200}

    async def _ask(self) -> None:
        name = {"name": "Somebody"}
        async with self.person.client() as client:
            while not self.ended:
                self._note(await client.get(USERS, params={"q": uuid4().hex}))
                self._note(await client.patch(f"{USERS}/{self.person.id}", json=name))

    def _note(self, answer: httpx.Response) -> None:
        self.statuses[answer.status_code] += 1
        self.latest.append(answer.status_code)
        if answer.status_code != 200 and not (
            answer.status_code == 503 and "retry-after" in answer.headers
        ):
            self.wrong.append(answer.text)


async def _is_free(pool: Any) -> bool:
    return bool(pool.checkedout() == 0)


async def _connections_left(settings: Settings) -> int:
    """Connections to the database of the settings."""
    connection = await database.connect(settings, "postgres")
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
    try:
        await eventually(lambda: _none(connection, query, settings.postgres_db))
        return int(await connection.fetchval(query, settings.postgres_db))
    finally:
        await connection.close()


async def _none(connection: "asyncpg.Connection", query: str, name: str) -> bool:
    return bool(await connection.fetchval(query, name) == 0)


@pytest.mark.parametrize("passes", [False, True], ids=["before", "after"])
async def test_a_connection_lost_at_commit(own_settings: Settings, passes: bool) -> None:
    """Cut at COMMIT, a write is no success; before it nothing was done, and a retry helps."""
    async with Proxy(own_settings.postgres_address) as proxy:
        behind = own_settings.model_copy(update={"postgres_address": proxy.address})
        async with run_api(behind) as api, (await People(api).create("admin")).client() as client:
            proxy.mark, proxy.mark_passes = b"COMMIT", passes
            email = f"{uuid4().hex}@example.com"
            user = {"email": email, "name": "New", "password": PASSWORD, "role": "viewer"}
            lost = await client.post(USERS, json=user)
            assert (lost.status_code, lost.json()["code"]) == (503, "database_unavailable")
            assert lost.headers["retry-after"]
            proxy.mark = b""
            page = (await client.get(USERS, params={"q": email})).json()["items"]
            again = await client.post(USERS, json=user)
            assert (len(page), again.status_code) == ((1, 409) if passes else (0, 201))


@pytest.mark.parametrize("writes", [60, pytest.param(1000, marks=pytest.mark.long)])
async def test_what_was_written_is_read(people: People, writes: int) -> None:
    """Straight after each write, on another connection, every read shows it."""
    stale: list[str] = []

    async def write_and_read(count: int) -> None:
        person = await people.create("admin")
        path, query = f"{USERS}/{person.id}", {"q": person.email}
        async with person.client() as writer, person.client() as reader:
            for number in range(count):
                name = f"Name {number}"
                assert (await writer.patch(path, json={"name": name})).status_code == 200
                page, one = await asyncio.gather(reader.get(USERS, params=query), reader.get(path))
                names = {one.json()["name"], page.json()["items"][0]["name"]}
                stale.extend(names - {name})

    await asyncio.gather(*(write_and_read(writes // 4) for _ in range(4)))
    assert stale == []


async def test_without_storage(own_settings: Settings) -> None:
    """Without the storage the API is degraded, and says so."""
    lonely = own_settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    async with run_api(lonely) as api, api.client() as client:
        ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert (ready.json()["status"], ready.json()["checks"]["storage"]) == (
        "degraded",
        "unavailable",
    )


async def test_a_missing_bucket_is_told(own_settings: Settings) -> None:
    """A bucket that is not there counts as a storage that is away."""
    lost = own_settings.model_copy(update={"s3_bucket": f"no-{uuid4().hex}"})
    async with run_api(lost) as api, api.client() as client:
        ready = await client.get("/readyz")
    assert ready.json()["checks"]["storage"] == "unavailable"


async def test_with_everything(api: Api) -> None:
    """With all servers there the API is ready and all checks are ok."""
    async with api.client() as client:
        await eventually(lambda: _ok(client))
        ready = (await client.get("/readyz")).json()
    assert ready["checks"] == dict.fromkeys(("postgres", "redis", "rabbitmq", "storage"), "ok")


async def _ok(client: httpx.AsyncClient) -> bool:
    return bool((await client.get("/readyz")).json()["status"] == "ok")
