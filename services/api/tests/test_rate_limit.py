"""Rate limits: how many requests get through, whose they are, and what callers are told."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.core.rate_limit import network_of
from app.settings import Settings
from tests.people import PASSWORD, People
from tests.process import server_process
from tests.proxy import Proxy
from tests.running import http_client, run_api
from tests.servers import redis_client

pytestmark = pytest.mark.anyio
ME = "/api/v1/auth/me"
INFO = "/api/v1/system/info"
LOGIN = "/api/v1/auth/login"
PROCESSES = 4


async def test_no_overshoot_across_processes(own_settings: Settings) -> None:
    """Of 200 requests at once to four processes exactly the limit gets through."""
    async with run_api(own_settings) as api:
        person = await People(api).create()
        # Counts as one, and puts the person into Redis: else 200 would ask PostgreSQL at once.
        async with person.client() as client:
            await client.get(ME)
    headers = {"Authorization": f"Bearer {person.token}"}
    async with AsyncExitStack() as stack:
        urls = []
        for _ in range(PROCESSES):
            server = server_process(own_settings, RATE_LIMIT_DEFAULT="51/hour", LOG_LEVEL="ERROR")
            urls.append((await stack.enter_async_context(server))[1])
        client = await stack.enter_async_context(http_client())
        # A process that has just started has yet to connect to Redis, which counts as its silence.
        await asyncio.gather(*(client.get(url + INFO) for url in urls))
        answers = await asyncio.gather(
            *(client.get(urls[number % PROCESSES] + ME, headers=headers) for number in range(200))
        )
    assert Counter(answer.status_code for answer in answers) == {200: 50, 429: 150}
    left = [int(answer.headers["ratelimit"].split("r=")[1].split(";")[0]) for answer in answers]
    assert sorted(left) == [0] * 150 + list(range(50))


async def test_each_answer_tells_what_is_left(own_settings: Settings) -> None:
    """Whoever is limited reads in each answer, good or bad, what is left and until when."""
    narrow = own_settings.model_copy(update={"rate_limit_default": "3/hour"})
    async with run_api(narrow) as api, (await People(api).create()).client() as client:
        answers = [await client.get(path) for path in (ME, "/api/v1/audit-nothing", ME)]
        answers.append(await client.get("/api/v1/users?limit=wrong"))
        answers.append(await client.get(ME))
        probe = await client.get("/healthz")
    told = [answer.headers.get("ratelimit", "").split(";t=")[0] for answer in answers]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 422, 429]
    assert told == ['"default";r=2', "", '"default";r=1', '"default";r=0', '"default";r=0']
    assert {answers[n].headers["ratelimit-policy"] for n in (0, 2, 3, 4)} == {
        '"default";q=3;w=3600'
    }
    assert 3590 <= int(answers[4].headers["retry-after"]) <= 3600
    assert "ratelimit" not in probe.headers


async def test_groups_are_counted_apart(own_settings: Settings) -> None:
    """Writing, exporting and reading have limits of their own."""
    narrow = own_settings.model_copy(
        update={
            "rate_limit_default": "4/hour",
            "rate_limit_write": "2/hour",
            "rate_limit_export": "1/hour",
        }
    )
    async with run_api(narrow) as api, (await People(api).create("admin")).client() as client:
        role = {"name": "empty", "permissions": []}

        async def statuses(method: str, path: str, count: int, body: Any = None) -> list[int]:
            return [
                (await client.request(method, path, json=body)).status_code for _ in range(count)
            ]

        assert await statuses("POST", "/api/v1/export", 2, {"type": "users"}) == [202, 429]
        assert await statuses("POST", "/api/v1/roles", 3, role) == [201, 409, 429]
        assert await statuses("GET", ME, 5) == [200] * 4 + [429]


async def test_a_window_slides(own_settings: Settings) -> None:
    """What was let through counts for the length of the window, and not until a full second."""
    narrow = own_settings.model_copy(update={"rate_limit_default": "2/second"})
    async with run_api(narrow) as api, api.client() as client:
        loop = asyncio.get_running_loop()
        let_through: list[float] = []
        while len(let_through) < 6:
            asked = loop.time()
            if (await client.get(INFO)).status_code == 200:
                let_through.append(asked)
            await asyncio.sleep(0.05)
    gaps = [later - first for first, later in zip(let_through, let_through[2:], strict=False)]
    # Redis notes a request up to one round trip after it was sent.
    assert all(0.8 < gap < 3 for gap in gaps), gaps


async def test_a_spoofed_address_is_ignored(own_settings: Settings) -> None:
    """Without a trusted proxy, X-Forwarded-For and its like give nobody a second chance."""
    narrow = own_settings.model_copy(update={"rate_limit_default": "1/hour"})
    async with run_api(narrow) as api, api.client() as client:
        assert (await client.get(INFO)).status_code == 200
        for number in range(3):
            forged = f"203.0.113.{number}"
            for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"):
                value = f"for={forged}" if name == "Forwarded" else forged
                assert (await client.get(INFO, headers={name: value})).status_code == 429


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A proxy appends: what stands before the address that it saw is the client's invention.
        ("1.1.1.1, 203.0.113.1", "2.2.2.2, 203.0.113.1"),
        ("203.0.113.1", "9.9.9.9, 203.0.113.1, 127.0.0.9"),
        ("203.0.113.1", "203.0.113.1:4711"),
        ("203.0.113.1", "::ffff:203.0.113.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("nonsense", "other nonsense"),
    ],
)
async def test_who_is_the_same_behind_a_proxy(own_settings: Settings, one: str, other: str) -> None:
    """What a trusted proxy tells may be told in several ways, and an IPv6 network is one caller."""
    assert await _statuses_behind_a_proxy(own_settings, one, other) == [200, 429]


@pytest.mark.parametrize(
    ("one", "other"),
    [("203.0.113.1", "203.0.113.2"), ("2001:db8:1:2::1", "2001:db8:1:3::1")],
)
async def test_who_is_not_the_same_behind_a_proxy(
    own_settings: Settings, one: str, other: str
) -> None:
    """Two addresses, or two networks of IPv6, are counted apart."""
    assert await _statuses_behind_a_proxy(own_settings, one, other) == [200, 200]


async def _statuses_behind_a_proxy(settings: Settings, *addresses: str) -> list[int]:
    narrow = settings.model_copy(
        update={"rate_limit_default": "1/hour", "trusted_proxies": "127.0.0.0/8"}
    )
    async with run_api(narrow) as api, api.client() as client:
        return [
            (await client.get(INFO, headers={"X-Forwarded-For": address})).status_code
            for address in addresses
        ]


def test_a_scope_is_no_way_out() -> None:
    """An IPv6 address with a scope is in the network of the same address without."""
    assert network_of("fe80::1%eth0") == network_of("fe80::2") == "fe80::"


async def test_limits_hold_without_redis(own_settings: Settings) -> None:
    """Without Redis every group is limited in the process, and answers tell so all the same."""
    async with Proxy(own_settings.redis_address) as proxy:
        narrow = own_settings.model_copy(
            update={
                "redis_address": proxy.address,
                "rate_limit_default": "5/hour",
                "rate_limit_login_address": "2/hour",
            }
        )
        async with run_api(narrow) as api:
            person = await People(api).create()
            body = {"email": person.email, "password": PASSWORD}
            await proxy.cut()
            async with person.client() as client:
                answers = await asyncio.gather(*(client.get(ME) for _ in range(20)))
                logins = [(await client.post(LOGIN, json=body)).status_code for _ in range(3)]
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 15}
    assert all(answer.headers["ratelimit"].startswith('"default";r=') for answer in answers)
    assert logins == [200, 200, 429]


async def test_limits_survive_a_flush(own_settings: Settings) -> None:
    """When Redis forgets everything, its scripts too, the next request is served and counted."""
    narrow = own_settings.model_copy(update={"rate_limit_default": "2/hour"})
    async with run_api(narrow) as api, api.client() as client, redis_client(narrow) as redis:
        assert (await client.get(INFO)).status_code == 200
        await redis.script_flush()
        async for key in redis.scan_iter(f"{narrow.redis_prefix}*"):
            await redis.delete(key)
        statuses = [(await client.get(INFO)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_a_lower_limit_holds_at_once(own_settings: Settings) -> None:
    """After a start with a lower limit, what was let through before counts."""
    for limit, expected in (("5/hour", [200] * 5 + [429]), ("2/hour", [429])):
        narrow = own_settings.model_copy(update={"rate_limit_default": limit})
        async with run_api(narrow) as api, api.client() as client:
            answers = [await client.get(INFO) for _ in expected]
        assert [answer.status_code for answer in answers] == expected
        assert ";r=0;" in answers[-1].headers["ratelimit"]
