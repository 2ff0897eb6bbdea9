"""Guessing: how far it gets, and that it locks nobody else out."""

import asyncio
import statistics
import time
from typing import Any

import httpx2 as httpx
import pytest

from app.auth.devices import Devices
from app.settings import Settings
from tests import database
from tests.people import PASSWORD, People, Person
from tests.running import Api, run_api

pytestmark = pytest.mark.anyio
LOGIN = "/api/v1/auth/login"


def with_limits(settings: Settings, **changes: Any) -> Settings:
    """Settings of a server behind a proxy of this machine, which tells the addresses."""
    return settings.model_copy(update={"trusted_proxies": "127.0.0.1", **changes})


async def login(
    api: Api, email: str, password: str, address: str, device: str | None = None
) -> httpx.Response:
    """Sign in from an address."""
    headers = {"X-Forwarded-For": address}
    if device:
        headers["Cookie"] = f"device={device}"
    async with api.client() as client:
        body = {"email": email, "password": password}
        return await client.post(LOGIN, json=body, headers=headers)


async def attack(api: Api, email: str, tries: int) -> list[int]:
    """Guess the password of an account, each time from another address."""
    answers = [await login(api, email, "wrong", f"203.0.113.{n}") for n in range(tries)]
    return [answer.status_code for answer in answers]


@pytest.fixture
def attacked(own_settings: Settings) -> Settings:
    """Five guesses an hour for an account, all strangers together."""
    return with_limits(own_settings, rate_limit_login_account="5/hour")


async def test_strangers_share_a_limit(attacked: Settings) -> None:
    """Many addresses together get no more guesses at one account than the limit says."""
    async with run_api(attacked) as api:
        person = await People(api).create()
        assert await attack(api, person.email, 7) == [401] * 5 + [429] * 2
        assert (await login(api, person.email, PASSWORD, "198.51.100.9")).status_code == 429
        connection = await database.connect(attacked, attacked.postgres_db)
        events = await connection.fetch("SELECT event FROM audit_events")
        assert [row["event"] for row in events].count("auth.locked") == 1
        await connection.close()


async def test_nobody_locks_out_who_signed_in_from_there_before(attacked: Settings) -> None:
    """While an account is attacked, its owner signs in from an address of before."""
    async with run_api(attacked) as api:
        person = await People(api).create()
        assert (await login(api, person.email, PASSWORD, "198.51.100.7")).status_code == 200
        await attack(api, person.email, 6)
        assert (await login(api, person.email, PASSWORD, "198.51.100.7")).status_code == 200
        assert (await login(api, person.email, PASSWORD, "198.51.100.8")).status_code == 429


async def test_nobody_locks_out_a_device_of_before(attacked: Settings) -> None:
    """While an account is attacked, a device that signed in before does so from anywhere."""
    async with run_api(attacked) as api:
        person, other = await People(api).create(), await People(api).create()
        first = await login(api, person.email, PASSWORD, "198.51.100.7")
        foreign = await login(api, other.email, PASSWORD, "198.51.100.7")
        cookie = next(c for c in first.headers.get_list("set-cookie") if c.startswith("device="))
        for attribute in ("HttpOnly", "SameSite=strict", "Path=/api/v1/auth/login"):
            assert attribute in cookie
        await attack(api, person.email, 6)
        for number, (device, expected) in enumerate(
            [
                (first.cookies["device"], 200),
                (foreign.cookies["device"], 429),
                ("0" * 32 + "." + "0" * 64, 429),
                ("nonsense", 429),
            ]
        ):
            answer = await login(api, person.email, PASSWORD, f"192.0.2.{number}", device)
            assert answer.status_code == expected, device


def test_devices_survive_a_new_key() -> None:
    """A cookie of the old key counts while both are there, and for its own address only."""
    cookie = Devices(["o" * 32]).issue("A@example.com")
    assert Devices(["n" * 32, "o" * 32]).is_known(cookie, "a@example.com")
    assert not Devices(["n" * 32]).is_known(cookie, "a@example.com")
    assert not Devices(["o" * 32]).is_known(cookie, "b@example.com")


async def test_one_address_guesses_little_at_one_account(own_settings: Settings) -> None:
    """Ten guesses a minute from one address at one account, in any case of the e-mail."""
    limited = with_limits(own_settings, rate_limit_login="10/minute")
    async with run_api(limited) as api:
        person = await People(api).create()
        answers = await asyncio.gather(
            *(login(api, email, "wrong", "203.0.113.5")
              for email in [person.email, f"{person.email.upper()} "] * 7)
        )  # fmt: skip
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4


@pytest.mark.parametrize("guesses", [400, pytest.param(10_000, marks=pytest.mark.long)])
async def test_a_spray_is_stopped_before_bcrypt(own_settings: Settings, guesses: int) -> None:
    """Of many guesses at 20 accounts from 4 addresses, 5 each reach bcrypt."""
    limited = with_limits(own_settings, rate_limit_login_address="5/hour", password_queue_size=100)
    async with run_api(limited) as api, api.client() as client:
        victims = [await People(api).create() for _ in range(20)]

        async def guess(number: int) -> int:
            body = {"email": victims[number % 20].email, "password": "Summer2026!"}
            headers = {"X-Forwarded-For": f"203.0.113.{number % 4}"}
            return (await client.post(LOGIN, json=body, headers=headers)).status_code

        statuses: list[int] = []
        for start in range(0, guesses, 40):
            statuses += await asyncio.gather(*(guess(n) for n in range(start, start + 40)))
    assert (statuses.count(401), statuses.count(429)) == (20, guesses - 20)


async def test_refused_sign_ins_tell_nothing_by_time(api: Api, people: People) -> None:
    """A known and an unknown address cost about the same time of the processor."""
    person = await real_person(api, people)
    times: dict[str, list[float]] = {person.email: [], "nobody@example.com": []}
    async with api.client() as client:
        for _ in range(5):
            for email, taken in times.items():
                started = time.process_time()
                body = {"email": email, "password": "wrong"}
                assert (await client.post(LOGIN, json=body)).status_code == 401
                taken.append(time.process_time() - started)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert abs(known - unknown) < 0.05 < min(known, unknown)


async def real_person(api: Api, people: People) -> Person:
    """A user whose password hash costs what it does in production."""
    person = await people.create()
    password_hash = await api.resources.passwords.hash(PASSWORD)
    connection = await database.connect(api.resources.settings, api.resources.settings.postgres_db)
    await connection.execute(
        "UPDATE users SET password_hash = $2 WHERE id = $1", person.id, password_hash
    )
    await connection.close()
    return person


async def test_hashing_never_blocks_the_event_loop(api: Api, people: People) -> None:
    """While long and repetitive passwords are rated and hashed, other requests stay quick."""
    person = await people.create()
    costly = ("4p4$$w0rd" * 8)[:63]
    body = {"current_password": PASSWORD, "new_password": costly}
    async with person.client() as client, api.client() as other:
        work = [
            asyncio.create_task(client.post("/api/v1/auth/password", json=body)) for _ in range(5)
        ]
        latencies = []
        while not all(task.done() for task in work):
            started = time.perf_counter()
            assert (await other.get("/healthz")).status_code == 200
            latencies.append(time.perf_counter() - started)
            await asyncio.sleep(0.005)
    assert {task.result().status_code for task in work} == {422}
    assert statistics.median(latencies) < 0.05
