"""Signing in, staying signed in and signing out."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import asyncpg
import bcrypt
import httpx2 as httpx
import jwt
import pytest

from app.auth.passwords import SCHEME
from app.auth.tokens import AUDIENCE, ISSUER, AccessTokens
from app.core.errors import PROBLEM_MEDIA_TYPE, UnauthorizedError
from app.settings import Settings
from tests.people import PASSWORD, People, Person
from tests.running import Api, run_api

pytestmark = pytest.mark.anyio
ME = "/api/v1/auth/me"
LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
NOBODY = "00000000-0000-4000-8000-000000000000"


async def status_of(api: Api, token: str) -> int:
    """Status of the simplest route that needs a session."""
    async with api.client(token) as client:
        return (await client.get(ME)).status_code


async def refresh(api: Api, token: str) -> httpx.Response:
    """Trade a refresh token for a new pair."""
    async with api.client() as client:
        return await client.post(REFRESH, json={"refresh_token": token})


async def test_login_gives_tokens_that_work(api: Api, people: People) -> None:
    """The right password gives both tokens, and a cookie that scripts can't read."""
    person = await people.create()
    async with api.client() as client:
        response = await client.post(
            LOGIN, json={"email": person.email.upper(), "password": PASSWORD}
        )
    assert response.status_code == 200
    body = response.json()
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 1800
    assert await status_of(api, body["access_token"]) == 200
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"refresh_token={body['refresh_token']};")
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/api/v1/auth", "Max-Age=604800"):
        assert attribute in cookie


async def test_me_tells_role_and_permissions(people: People) -> None:
    """GET /auth/me tells who is signed in and what they may do."""
    person = await people.create("viewer")
    async with person.client() as client:
        body = (await client.get(ME)).json()
    assert body["email"] == person.email
    assert body["role"]["name"] == "viewer"
    assert body["permissions"] == ["user:read", "job:read"]


@pytest.mark.parametrize(
    "password", ["wrong", "x" * 1000, PASSWORD + "\x00", "🙂" * 64, PASSWORD + " "]
)
async def test_wrong_passwords_are_refused(api: Api, people: People, password: str) -> None:
    """Whatever the wrong password looks like, the answer is 401, never 500."""
    person = await people.create()
    async with api.client() as client:
        response = await client.post(LOGIN, json={"email": person.email, "password": password})
    assert response.status_code == 401
    assert response.json()["code"] == "invalid_credentials"


async def test_login_does_not_tell_who_exists(
    api: Api, people: People, admin: httpx.AsyncClient
) -> None:
    """An unknown address, a NUL in it, a deactivated user and a wrong password look the same."""
    person, inactive = await people.create(), await people.create()
    await admin.post(f"/api/v1/users/{inactive.id}/deactivate")
    answers = set()
    async with api.client() as client:
        for email, password in (
            (person.email, "wrong"),
            ("nobody@example.com", PASSWORD),
            ("no\x00body@example.com", PASSWORD),
            (inactive.email, PASSWORD),
        ):
            response = await client.post(LOGIN, json={"email": email, "password": password})
            body = response.json()
            answers.add((response.status_code, body["code"], body["detail"]))
    assert len(answers) == 1


async def test_unknown_users_cost_as_much_time(api: Api) -> None:
    """An unknown address takes the time of a bcrypt at cost 12, so that timing tells nothing."""
    async with api.client() as client:
        started = time.perf_counter()
        await client.post(LOGIN, json={"email": "nobody@example.com", "password": "wrong"})
    assert time.perf_counter() - started > 0.1


async def test_refresh_rotates(api: Api, people: People) -> None:
    """A refresh token gives a new pair and is used up by that."""
    first = await (await people.create()).login()
    response = await refresh(api, first["refresh_token"])
    assert response.status_code == 200
    second = response.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert await status_of(api, second["access_token"]) == 200
    assert (await refresh(api, second["refresh_token"])).status_code == 200


async def test_reuse_of_a_refresh_token_ends_the_session(api: Api, people: People) -> None:
    """Using an old refresh token ends the whole family, its newest access token included."""
    first = await (await people.create()).login()
    second = (await refresh(api, first["refresh_token"])).json()
    assert (await refresh(api, first["refresh_token"])).status_code == 401
    assert (await refresh(api, second["refresh_token"])).status_code == 401
    assert await status_of(api, second["access_token"]) == 401


async def test_of_concurrent_refreshes_one_wins(api: Api, people: People) -> None:
    """Of 20 refreshes of one token at once exactly one wins, and the family is dead after that."""
    tokens = await (await people.create()).login()
    answers = await asyncio.gather(*(refresh(api, tokens["refresh_token"]) for _ in range(20)))
    winners = [answer for answer in answers if answer.status_code == 200]
    assert len(winners) == 1
    assert {answer.status_code for answer in answers} == {200, 401}
    assert (await refresh(api, winners[0].json()["refresh_token"])).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b", f"{NOBODY}.secret", "é" * 50])
async def test_garbage_is_no_refresh_token(api: Api, token: str) -> None:
    """What is no refresh token of ours is refused with 401."""
    assert (await refresh(api, token)).status_code == 401


async def test_cookie_refreshes_only_from_the_frontend(api: Api, people: People) -> None:
    """The cookie is accepted from a page of the frontend, and refused from any other."""
    person = await people.create()
    async with api.client() as client:
        await client.post(LOGIN, json={"email": person.email, "password": PASSWORD})
        assert (await client.post(REFRESH)).status_code == 403
        foreign = await client.post(REFRESH, headers={"Origin": "https://evil.example"})
        assert foreign.json()["code"] == "origin_refused"
        assert (
            await client.post(REFRESH, headers={"Origin": api.resources.settings.frontend_url})
        ).status_code == 200
        assert (
            await client.post(REFRESH, headers={"Origin": api.resources.settings.frontend_url})
        ).status_code == 200


async def test_logout_bites_at_once(api: Api, people: People) -> None:
    """After logout neither token of the session works, and other sessions do."""
    person = await people.create()
    here, elsewhere = await person.login(), await person.login()
    async with api.client(here["access_token"]) as client:
        response = await client.post("/api/v1/auth/logout")
        assert response.status_code == 204
        assert 'refresh_token=""' in response.headers["set-cookie"]
        assert (await client.get(ME)).status_code == 401
    assert (await refresh(api, here["refresh_token"])).status_code == 401
    assert await status_of(api, elsewhere["access_token"]) == 200


async def test_logout_ends_a_given_session_of_ones_own_only(api: Api, people: People) -> None:
    """A refresh token in the body ends that session too, unless it is somebody else's."""
    person, other = await people.create(), await people.create()
    first, second, third = await person.login(), await person.login(), await person.login()
    foreign = await other.login()
    for caller, given in ((first, second), (third, foreign)):
        async with api.client(caller["access_token"]) as client:
            body = {"refresh_token": given["refresh_token"]}
            assert (await client.post("/api/v1/auth/logout", json=body)).status_code == 204
    assert (await refresh(api, second["refresh_token"])).status_code == 401
    assert (await refresh(api, foreign["refresh_token"])).status_code == 200


async def change_password(person: Person, new: str, current: str = PASSWORD) -> httpx.Response:
    """Change one's own password."""
    async with person.client() as client:
        return await client.post(
            "/api/v1/auth/password", json={"current_password": current, "new_password": new}
        )


async def test_new_password_ends_every_session(api: Api, people: People) -> None:
    """After a password change every token is refused, and only the new password signs in."""
    person = await people.create()
    tokens = await person.login()
    assert (await change_password(person, "another-secret-42")).status_code == 204
    assert await status_of(api, tokens["access_token"]) == 401
    assert await status_of(api, person.token) == 401
    assert (await refresh(api, tokens["refresh_token"])).status_code == 401
    async with api.client() as client:
        for password, expected in ((PASSWORD, 401), ("another-secret-42", 200)):
            body = {"email": person.email, "password": password}
            assert (await client.post(LOGIN, json=body)).status_code == expected


async def test_new_password_needs_the_current_one(people: People) -> None:
    """A wrong current password is refused with 422 that names the field."""
    response = await change_password(await people.create(), "another-secret-42", current="wrong")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "body.current_password"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "at least 12 characters"),
        ("x" * 1001, "at most 1000 characters"),
        ("iloveyou12345", "too easy"),
        ("P@ssw0rd1234", "too easy"),
        ("qwertyuiop[]", "too easy"),
        ("test person knows", "name or the e-mail"),
        ("aaaaaaaaaaaaaaaa", "too easy"),
        ("Password1234", "too easy"),
        ("nul-\x00-in-the-middle", "NUL"),
        ("surrogate-\ud800-inside", "valid string"),
    ],
)
async def test_bad_passwords_are_refused(people: People, password: str, reason: str) -> None:
    """A new password that is too short, too long for bcrypt or too easy is refused with 422."""
    person = await people.create()
    text = f'{{"current_password":"{PASSWORD}","new_password":{_json_string(password)}}}'
    async with person.client() as client:
        response = await client.post(
            "/api/v1/auth/password", content=text, headers={"Content-Type": "application/json"}
        )
    assert response.status_code == 422
    assert reason in response.json()["errors"][0]["message"]


def _json_string(value: str) -> str:
    return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in value) + '"'


@pytest.mark.parametrize(
    "password",
    [
        "0123456789ab" * 6,
        "🙂" * 64,
        "x" * 64,
        "a phrase of words " * 50,
        "Straße zur Ünglücksküche",
    ],
)
async def test_long_passwords_are_not_truncated(api: Api, people: People, password: str) -> None:
    """A password of 64 characters and more counts to its last character, emoji too."""
    person = await people.create()
    assert (await change_password(person, password)).status_code == 204
    async with api.client() as client:
        for given, expected in ((password, 200), (password[:-1], 401), (password + "x", 401)):
            body = {"email": person.email, "password": given}
            assert (await client.post(LOGIN, json=body)).status_code == expected


async def test_hashes_of_earlier_versions_are_renewed(
    api: Api, people: People, postgres: "asyncpg.Connection"
) -> None:
    """An old bcrypt hash signs in as before, is replaced by that, and works again."""
    person = await people.create()
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    query = "SELECT password_hash FROM users WHERE id = $1"
    await postgres.execute("UPDATE users SET password_hash = $2 WHERE id = $1", person.id, old)
    tokens = await person.login()
    assert (await postgres.fetchval(query, person.id)).startswith(SCHEME)
    assert await status_of(api, tokens["access_token"]) == 200
    await person.login()


def forge(
    settings: Settings,
    person: Person,
    *,
    key: str | None = None,
    algorithm: str = "HS256",
    **changes: Any,
) -> str:
    """A token like ours, except for the changes; None drops a claim."""
    now = int(time.time())
    session = jwt.decode(person.token, options={"verify_signature": False})["sid"]
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "typ": "access", "sub": str(person.id),
        "sid": session, "ver": 1, "iat": now, "exp": now + 600, "jti": uuid4().hex, **changes,
    }  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    secret = settings.jwt_secret.get_secret_value() if key is None else key
    return jwt.encode(claims, secret, algorithm=algorithm)


async def test_forged_token_without_changes_works(
    settings: Settings, api: Api, people: People
) -> None:
    """The forger of these tests makes valid tokens, so that each refusal has its one reason."""
    assert await status_of(api, forge(settings, await people.create())) == 200


async def test_a_token_of_a_fast_clock_works(settings: Settings, api: Api, people: People) -> None:
    """A token is accepted at once, also where the clock of the replica that issued it is ahead."""
    ahead = int(time.time()) + 60
    assert await status_of(api, forge(settings, await people.create(), iat=ahead)) == 200


@pytest.mark.parametrize(
    "forgery",
    [
        {"key": "another secret that is long enough for this"},
        {"algorithm": "none", "key": ""},
        {"algorithm": "HS512"},
        {"iss": "somebody-else"},
        {"aud": "another-api"},
        {"typ": "refresh"},
        {"exp": 1},
        {"ver": 0},
        {"ver": "1"},
        {"sub": "not-a-uuid"},
        {"sub": NOBODY},
        *({claim: None} for claim in ("iss", "aud", "typ", "sub", "sid", "ver", "exp", "jti")),
    ],
    ids=str,
)
async def test_forged_tokens_are_refused(
    settings: Settings, api: Api, people: People, forgery: dict[str, Any]
) -> None:
    """A token with a wrong signature, algorithm or claim is refused with 401."""
    assert await status_of(api, forge(settings, await people.create(), **forgery)) == 401


def test_keys_are_replaced_without_an_outage() -> None:
    """Tokens of both keys are believed while both are there, and name the key that signed."""
    old, new = "o" * 32, "n" * 32
    ids = (uuid4(), uuid4(), 1)
    before, after = AccessTokens([old]).issue(*ids), AccessTokens([new, old]).issue(*ids)
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    for token in (before, after):
        assert AccessTokens([new, old]).verify(token).user_id == ids[0]
        assert AccessTokens([old, new]).verify(token).user_id == ids[0]
    with pytest.raises(UnauthorizedError, match="not valid"):
        AccessTokens([new]).verify(before)
    with pytest.raises(UnauthorizedError, match="not valid"):
        AccessTokens([old]).verify(after)


def test_tokens_that_name_no_key_are_believed(settings: Settings) -> None:
    """Earlier versions named no key: their tokens stay valid until they expire."""
    key = "k" * 32
    claims = jwt.decode(
        AccessTokens([key]).issue(uuid4(), uuid4(), 1), key, ["HS256"], audience=AUDIENCE
    )
    nameless = jwt.encode(claims, key, "HS256")
    assert AccessTokens(["n" * 32, key]).verify(nameless).version == 1
    with pytest.raises(UnauthorizedError):
        AccessTokens([settings.jwt_keys[0]]).verify(nameless)


async def test_refresh_token_is_no_access_token(api: Api, people: People) -> None:
    """A refresh token is refused where an access token belongs."""
    tokens = await (await people.create()).login()
    assert await status_of(api, tokens["refresh_token"]) == 401


async def test_requests_without_token_are_told_how(api: Api) -> None:
    """Without a token the answer is a 401 problem with WWW-Authenticate."""
    async with api.client() as client:
        response = await client.get(ME)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE


async def test_login_storm_is_shed_early_and_hurts_nobody(settings: Settings) -> None:
    """A full queue answers 503 with Retry-After at once; other requests stay quick."""
    narrow = settings.model_copy(update={"password_queue_size": 3})
    async with run_api(narrow) as api, api.client() as client:
        body = {"email": "nobody@example.com", "password": "wrong"}
        storm = [asyncio.create_task(client.post(LOGIN, json=body)) for _ in range(8)]
        latencies = []
        while not all(task.done() for task in storm):
            started = time.perf_counter()
            assert (await client.get("/healthz")).status_code == 200
            latencies.append(time.perf_counter() - started)
            await asyncio.sleep(0.01)
        answers = [task.result() for task in storm]
    assert sorted(answer.status_code for answer in answers) == [401] * 3 + [503] * 5
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert int(refused.headers["retry-after"]) >= 1
    assert sorted(latencies)[len(latencies) // 2] < 0.05
