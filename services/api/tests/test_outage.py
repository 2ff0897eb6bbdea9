"""What still works while a server is away, and how it comes back."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from app.settings import Settings
from tests.people import PASSWORD, People
from tests.proxy import Proxy
from tests.running import Api, run_api
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
                started = time.perf_counter()
                await asyncio.gather(*(client.get(USERS) for _ in range(20)))
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
