"""The second factor: codes of an authenticator app, and recovery codes."""

import asyncio
import time
from typing import Any

import asyncpg
import httpx2 as httpx
import pyotp
import pytest
from pydantic import SecretStr

from app.auth.totp import STEP_S, SecretBox
from app.settings import Settings
from tests.audit import names_of
from tests.people import PASSWORD, People, Person
from tests.running import Api, run_api

pytestmark = pytest.mark.anyio
TOTP = "/api/v1/auth/totp"
LOGIN = "/api/v1/auth/login"


def code_at(secret: str, steps: int = 0) -> str:
    """The code of now, or some steps off."""
    return pyotp.TOTP(secret).at(int(time.time()) + steps * STEP_S)


async def turn_on(person: Person) -> tuple[str, list[str]]:
    """Turn the second factor on with the code of the step before; returns secret and recovery."""
    async with person.client() as client:
        begun = (await client.post(TOTP)).json()
        answer = await client.post(f"{TOTP}/confirm", json={"code": code_at(begun["secret"], -1)})
    assert answer.status_code == 200, answer.text
    codes: list[str] = answer.json()["recovery_codes"]
    return begun["secret"], codes


async def login(api: Api, person: Person, code: str | None = None) -> httpx.Response:
    """Sign in, with a code if there is one."""
    body: dict[str, Any] = {"email": person.email, "password": PASSWORD}
    async with api.client() as client:
        return await client.post(LOGIN, json=body | ({"code": code} if code else {}))


async def test_signing_in_needs_the_code(api: Api, people: People) -> None:
    """Once it is on, the password alone is not enough, and the code of the app is."""
    person = await people.create()
    secret, _ = await turn_on(person)
    without = await login(api, person)
    assert (without.status_code, without.json()["code"]) == (401, "second_factor_required")
    wrong = await login(api, person, "000000" if code_at(secret) != "000000" else "111111")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "second_factor_wrong")
    code = code_at(secret)
    answer = await login(api, person, f"{code[:3]} {code[3:]}")
    assert answer.status_code == 200
    async with api.client(answer.json()["access_token"]) as client:
        assert (await client.get("/api/v1/auth/me")).json()["second_factor"] is True


async def test_it_is_off_until_a_code_is_confirmed(api: Api, people: People) -> None:
    """A secret that was only asked for changes nothing; a wrong code does not turn it on."""
    person = await people.create()
    async with person.client() as client:
        begun = (await client.post(TOTP)).json()
        assert begun["uri"].startswith("otpauth://totp/Groundplan:")
        assert begun["secret"] in begun["uri"]
        wrong = await client.post(f"{TOTP}/confirm", json={"code": code_at(begun["secret"], -9)})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "second_factor_wrong")
        assert (await client.get("/api/v1/auth/me")).json()["second_factor"] is False
    assert (await login(api, person)).status_code == 200


async def test_what_is_out_of_turn_is_refused(people: People) -> None:
    """Confirming what was not begun, beginning what is on, removing what is off: 409."""
    person, other = await people.create(), await people.create()
    await turn_on(person)
    removal = {"password": PASSWORD, "code": "123456"}
    async with person.client() as on, other.client() as off:
        answers = [
            await off.post(f"{TOTP}/confirm", json={"code": "123456"}),
            await on.post(TOTP),
            await on.post(f"{TOTP}/confirm", json={"code": "123456"}),
            await off.request("DELETE", TOTP, json=removal),
        ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (409, "second_factor_not_begun"),
        (409, "second_factor_on"),
        (409, "second_factor_not_begun"),
        (409, "second_factor_off"),
    ]


async def test_a_code_is_accepted_once(api: Api, people: People) -> None:
    """Of 10 sign-ins with one code at once one succeeds, and none later."""
    person = await people.create()
    secret, _ = await turn_on(person)
    code = code_at(secret, 1)
    answers = await asyncio.gather(*(login(api, person, code) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
    assert (await login(api, person, code)).status_code == 401
    assert (await login(api, person, code_at(secret, 0))).status_code == 401  # older than that


@pytest.mark.parametrize("steps", [-3, -2, 3])
async def test_codes_of_another_time_are_refused(api: Api, people: People, steps: int) -> None:
    """A code of more than one step before or after is refused."""
    person = await people.create()
    secret, _ = await turn_on(person)
    assert (await login(api, person, code_at(secret, steps))).status_code == 401


async def test_recovery_codes_work_once(
    api: Api, people: People, postgres: "asyncpg.Connection"
) -> None:
    """Each of ten stands in for the app once, however it is typed; the log tells of it."""
    person, other = await people.create(), await people.create()
    _, codes = await turn_on(person)
    await turn_on(other)
    assert len(set(codes)) == 10
    assert (await login(api, person, codes[0].lower())).status_code == 200
    assert (await login(api, person, codes[0])).status_code == 401
    assert (await login(api, person, codes[1].replace("-", " "))).status_code == 200
    assert (await login(api, other, codes[2])).status_code == 401
    assert (await names_of(postgres, person.id)).count("auth.recovery_code_used") == 2


@pytest.mark.parametrize(
    "code", ["é", "\uff11\uff12\uff13\uff14\uff15\uff16", "1" * 40, "\x00", "12345", "-", "🙂🙂🙂"]
)
async def test_garbage_is_no_code(api: Api, people: People, code: str) -> None:
    """Whatever is sent in place of a code, the answer is 401."""
    person = await people.create()
    await turn_on(person)
    answer = await login(api, person, code)
    assert (answer.status_code, answer.json()["code"]) == (401, "second_factor_wrong")


async def test_turning_it_off_needs_password_and_code(
    api: Api, people: People, postgres: "asyncpg.Connection"
) -> None:
    """Neither alone turns it off; afterwards the password is enough, and old codes are gone."""
    person = await people.create()
    secret, codes = await turn_on(person)
    async with person.client() as client:
        for password, code, field in (
            ("wrong", code_at(secret), "body.password"),
            (PASSWORD, "000001", "body.code"),
        ):
            answer = await client.request("DELETE", TOTP, json={"password": password, "code": code})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == field
        body = {"password": PASSWORD, "code": codes[3]}
        assert (await client.request("DELETE", TOTP, json=body)).status_code == 204
    assert (await login(api, person)).status_code == 200
    query = "SELECT count(*) FROM recovery_codes WHERE user_id = $1"
    assert await postgres.fetchval(query, person.id) == 0
    names = await names_of(postgres, person.id)
    assert [name for name in names if name.startswith("auth.second_factor")] == [
        "auth.second_factor_on",
        "auth.second_factor_off",
    ]


async def test_an_admin_resets_a_lost_one(
    api: Api, people: People, admin: httpx.AsyncClient
) -> None:
    """The list shows who has it; after a reset the password alone signs in."""
    person = await people.create()
    await turn_on(person)
    found = (await admin.get("/api/v1/users", params={"q": person.email})).json()["items"]
    assert [item["second_factor"] for item in found] == [True]
    path = f"/api/v1/users/{person.id}"
    assert (await admin.post(f"{path}/reset-second-factor")).status_code == 204
    assert (await admin.get(path)).json()["second_factor"] is False
    found = (await admin.get("/api/v1/users", params={"q": person.email})).json()["items"]
    assert [item["second_factor"] for item in found] == [False]
    assert (await login(api, person)).status_code == 200


async def test_codes_are_limited(own_settings: Settings) -> None:
    """Who knows the password gets few tries at the code, wherever they come from."""
    async with run_api(own_settings.model_copy(update={"rate_limit_code": "4/hour"})) as api:
        person = await People(api).create()
        secret, _ = await turn_on(person)  # is a try, too
        answers = [await login(api, person, f"{n:06}") for n in range(3)]
        assert {answer.status_code for answer in answers} == {401}
        assert (await login(api, person, code_at(secret, 1))).status_code == 429


async def test_secrets_are_encrypted(people: People, postgres: "asyncpg.Connection") -> None:
    """The database holds neither the secret nor the recovery codes as they are."""
    person = await people.create()
    secret, codes = await turn_on(person)
    stored = await postgres.fetchval("SELECT u::text FROM users AS u WHERE id = $1", person.id)
    hashes = await postgres.fetch("SELECT code_hash FROM recovery_codes")
    assert secret not in stored
    assert not any(row["code_hash"] in code or code in row["code_hash"]
                   for row in hashes for code in codes)  # fmt: skip


def test_another_key_reads_nothing() -> None:
    """A secret that was encrypted with another key accepts no code."""
    secret = SecretBox("k" * 64).new_secret("somebody@example.com")
    code = code_at(secret.plain)
    assert SecretBox("k" * 64).matching_step(secret.encrypted, code) is not None
    assert SecretBox("l" * 64).matching_step(secret.encrypted, code) is None


async def test_recovery_codes_outlive_the_key(own_settings: Settings) -> None:
    """After SECOND_FACTOR_KEY was lost codes of the app are refused, and recovery codes work."""
    async with run_api(own_settings) as api:
        person = await People(api).create()
        secret, codes = await turn_on(person)
    lost = own_settings.model_copy(update={"second_factor_key": SecretStr("l" * 64)})
    async with run_api(lost) as api:
        assert (await login(api, person, code_at(secret, 1))).status_code == 401
        assert (await login(api, person, codes[0])).status_code == 200
