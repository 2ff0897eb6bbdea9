"""Sessions: where somebody is signed in, ending them, and what no longer works afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import httpx2 as httpx
import jwt
import pytest

from app.settings import Settings
from tests import servers
from tests.audit import names_of
from tests.people import PASSWORD, People, Person
from tests.proxy import Proxy
from tests.running import Api, counted, run_api
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
ME = "/api/v1/auth/me"
SESSIONS = "/api/v1/auth/sessions"
REFRESH = "/api/v1/auth/refresh"
LOGIN = "/api/v1/auth/login"


def session_of(token: str) -> str:
    """The session of an access token."""
    return str(UUID(jwt.decode(token, options={"verify_signature": False})["sid"]))


async def status_of(api: Api, token: str) -> int:
    """Status of the simplest route that needs a session."""
    async with api.client(token) as client:
        return (await client.get(ME)).status_code


async def refresh(api: Api, token: str) -> httpx.Response:
    """Trade a refresh token for a new pair."""
    async with api.client() as client:
        return await client.post(REFRESH, json={"refresh_token": token})


async def test_sessions_are_listed(api: Api, people: People) -> None:
    """The list tells of each session when, from where and with what, and which is this one."""
    person = await people.create()
    agent = "A browser " + "x" * 300
    async with api.client() as client:
        body = {"email": person.email, "password": PASSWORD}
        answer = await client.post(LOGIN, json=body, headers={"User-Agent": agent})
    token = answer.json()["access_token"]
    async with api.client(token) as client:
        items = (await client.get(SESSIONS)).json()["items"]
    assert {item["id"] for item in items} == {session_of(token), session_of(person.token)}
    this = next(item for item in items if item["current"])
    assert this["id"] == session_of(token)
    assert this["address"] == "127.0.0.1"
    assert this["user_agent"] == agent[:200]
    assert this["created_at"] == this["last_used_at"]
    assert sum(item["current"] for item in items) == 1


async def test_a_refreshed_session_stays_listed_once(api: Api, people: People) -> None:
    """Refreshing changes the tokens, not the session."""
    person = await people.create()
    tokens = await person.login()
    renewed = (await refresh(api, tokens["refresh_token"])).json()
    async with api.client(renewed["access_token"]) as client:
        items = (await client.get(SESSIONS)).json()["items"]
    assert [item["id"] for item in items if item["current"]] == [session_of(tokens["access_token"])]
    assert len(items) == 2


async def test_a_session_is_ended(api: Api, people: People, postgres: "asyncpg.Connection") -> None:
    """Ending one session refuses its tokens on the next request, and no others."""
    person = await people.create()
    here, there = await person.login(), await person.login()
    async with api.client(here["access_token"]) as client:
        gone = await client.delete(f"{SESSIONS}/{session_of(there['access_token'])}")
        assert gone.status_code == 204
        left = [item["id"] for item in (await client.get(SESSIONS)).json()["items"]]
    assert session_of(there["access_token"]) not in left
    assert await status_of(api, there["access_token"]) == 401
    assert (await refresh(api, there["refresh_token"])).status_code == 401
    assert await status_of(api, here["access_token"]) == 200
    assert "auth.session_ended" in await names_of(postgres, person.id)


async def test_only_ones_own_sessions_are_ended(api: Api, people: People) -> None:
    """Somebody else's session, or none, is 404, and goes on."""
    person, other = await people.create("admin"), await people.create()
    async with person.client() as client:
        for session in (session_of(other.token), uuid4()):
            answer = await client.delete(f"{SESSIONS}/{session}")
            assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
        assert (await client.delete(f"{SESSIONS}/nonsense")).status_code == 422
    assert await status_of(api, other.token) == 200


async def test_signing_out_everywhere(
    api: Api, people: People, postgres: "asyncpg.Connection"
) -> None:
    """Every session of the user ends, this one too, and nobody else's."""
    person, other = await people.create(), await people.create()
    sessions = [await person.login() for _ in range(3)]
    async with api.client(sessions[0]["access_token"]) as client:
        assert (await client.post("/api/v1/auth/logout-everywhere")).status_code == 204
    for tokens in sessions:
        assert await status_of(api, tokens["access_token"]) == 401
        assert (await refresh(api, tokens["refresh_token"])).status_code == 401
    assert await status_of(api, other.token) == 200
    again = await person.login()
    async with api.client(again["access_token"]) as client:
        items = (await client.get(SESSIONS)).json()["items"]
    assert [item["id"] for item in items] == [session_of(again["access_token"])]
    assert "auth.signed_out_everywhere" in await names_of(postgres, person.id)


Deed = Callable[[httpx.AsyncClient, httpx.AsyncClient, Person], Awaitable[httpx.Response]]


async def _log_out(_admin: httpx.AsyncClient, own: httpx.AsyncClient, _: Person) -> httpx.Response:
    return await own.post("/api/v1/auth/logout")


async def _deactivate(
    admin: httpx.AsyncClient, _own: httpx.AsyncClient, person: Person
) -> httpx.Response:
    return await admin.post(f"/api/v1/users/{person.id}/deactivate")


async def _change_role(
    admin: httpx.AsyncClient, _own: httpx.AsyncClient, person: Person
) -> httpx.Response:
    return await admin.patch(f"/api/v1/users/{person.id}", json={"role": "manager"})


async def _change_password(
    _admin: httpx.AsyncClient, own: httpx.AsyncClient, _: Person
) -> httpx.Response:
    body = {"current_password": PASSWORD, "new_password": "another-secret-42"}
    return await own.post("/api/v1/auth/password", json=body)


async def _set_password(
    admin: httpx.AsyncClient, _own: httpx.AsyncClient, person: Person
) -> httpx.Response:
    change = {"password": "another-secret-42"}
    return await admin.patch(f"/api/v1/users/{person.id}", json=change)


@pytest.mark.parametrize(
    "deed", [_log_out, _deactivate, _change_role, _change_password, _set_password]
)
async def test_it_bites_on_the_next_request(
    api: Api, people: People, admin: httpx.AsyncClient, deed: Deed
) -> None:
    """A token that worked a moment ago is refused on the next request, and on every route."""
    person = await people.create()
    tokens = await person.login()
    async with api.client(tokens["access_token"]) as client:
        assert (await client.get(ME)).status_code == 200
        assert (await deed(admin, client, person)).status_code in {200, 204}
        assert (await client.get(ME)).status_code == 401
        assert (await client.get("/api/v1/users")).status_code == 401
    assert (await refresh(api, tokens["refresh_token"])).status_code == 401


async def test_of_many_races_each_has_one_winner(api: Api, people: People) -> None:
    """Of 20 refreshes of one token at once one wins; then the family is dead for all of them."""
    person = await people.create()
    for _ in range(5):
        tokens = await person.login()
        answers = await asyncio.gather(*(refresh(api, tokens["refresh_token"]) for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
        winner = next(answer for answer in answers if answer.status_code == 200).json()
        # In connections of their own, after the last 401.
        assert await status_of(api, winner["access_token"]) == 401
        assert await status_of(api, tokens["access_token"]) == 401
        assert (await refresh(api, winner["refresh_token"])).status_code == 401


async def test_a_flush_of_redis_revives_nothing(own_settings: Settings) -> None:
    """Once Redis lost all it held, everybody signs in again; ended sessions stay ended."""
    async with run_api(own_settings) as api:
        person = await People(api).create()
        ended, open_one = await person.login(), await person.login()
        async with api.client(ended["access_token"]) as client:
            assert (await client.post("/api/v1/auth/logout")).status_code == 204
        await servers.delete_keys(own_settings)
        async with api.client() as client:
            before = await counted(client, "groundplan_unknown_sessions_total")
        for tokens in (ended, open_one):
            assert await status_of(api, tokens["access_token"]) == 401
            assert (await refresh(api, tokens["refresh_token"])).status_code == 401
        async with api.client() as client:
            assert await counted(client, "groundplan_unknown_sessions_total") == before + 2
        assert await status_of(api, (await person.login())["access_token"]) == 200


async def test_a_sign_in_during_an_outage_of_redis_lasts(own_settings: Settings) -> None:
    """A session that began without Redis is stored once it is back, and is refreshed then."""
    async with Proxy(own_settings.redis_address) as proxy:
        behind = own_settings.model_copy(update={"redis_address": proxy.address})
        async with run_api(behind) as api:
            person = await People(api).create()
            await proxy.cut()
            tokens = await person.login()
            assert await status_of(api, tokens["access_token"]) == 200
            await proxy.restore()

            async def lives() -> bool:
                return (await refresh(api, tokens["refresh_token"])).status_code == 200

            await eventually(lives)
            assert await status_of(api, tokens["access_token"]) == 200
