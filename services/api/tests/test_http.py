"""What holds for every request: headers, problems, limits, CORS."""

import re
from typing import Any

import httpx2 as httpx
import pytest

from app.core.middleware import MAX_BODY_BYTES
from app.settings import Settings
from tests.people import People
from tests.running import Api, run_api

pytestmark = pytest.mark.anyio
LOGIN = "/api/v1/auth/login"
BODY = {"email": "nobody@example.com", "password": "wrong"}


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    """The response is a problem (RFC 9457) with all its members."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["instance"] == response.request.url.path
    assert problem["request_id"] == response.headers["x-request-id"]
    for member in ("type", "title", "detail"):
        assert isinstance(problem[member], str)


async def test_unknown_addresses_and_methods(api: Api) -> None:
    """An unknown address is a 404 problem; a known one with a wrong method is 405."""
    async with api.client() as client:
        assert_problem(await client.get("/nope"), 404, "not_found")
        assert_problem(await client.get("/api/v1/users/"), 404, "not_found")
        wrong = await client.put("/api/v1/users")
        assert_problem(wrong, 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("{", "body"),
        ('{"email":"a"}', "body.password"),
        ("", "body"),
        ("[]", "body"),
    ],
)
async def test_invalid_bodies_name_the_field(api: Api, content: str, field: str) -> None:
    """What is no JSON, or lacks a field, is a 422 problem that names the field."""
    async with api.client() as client:
        response = await client.post(
            LOGIN, content=content, headers={"Content-Type": "application/json"}
        )
    assert_problem(response, 422, "validation_error")
    assert response.json()["errors"][0]["field"] == field


async def test_errors_repeat_no_input(api: Api) -> None:
    """A problem never repeats what was sent: it may be a password."""
    async with api.client() as client:
        response = await client.post(LOGIN, json={"email": 1, "password": ["hunter2-hunter2"]})
    assert response.status_code == 422
    assert "hunter2" not in response.text


async def test_big_bodies_are_refused(api: Api) -> None:
    """A body over 1 MiB is a 413 problem, with or without a Content-Length."""

    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * (MAX_BODY_BYTES // 10)

    async with api.client() as client:
        sized = await client.post(LOGIN, content=b"x" * (MAX_BODY_BYTES + 1))
        assert_problem(sized, 413, "body_too_large")
        streamed = await client.post(
            LOGIN, content=chunks(), headers={"Content-Type": "application/json"}
        )
        assert_problem(streamed, 413, "body_too_large")
        fitting = await client.post(LOGIN, json={**BODY, "padding": "x" * (MAX_BODY_BYTES - 1000)})
        assert fitting.status_code == 401


async def test_request_ids_are_echoed_or_made(api: Api) -> None:
    """A sound X-Request-ID is echoed; one that could break a log line is replaced."""
    async with api.client() as client:
        for given, kept in (("abc-123", True), ("x" * 65, False), ('"}{', False), ("a b", False)):
            response = await client.get("/healthz", headers={"X-Request-ID": given})
            answer = response.headers["x-request-id"]
            assert (answer == given) == kept
            assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer)


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/auth/me", "/nope", "/api/v1/users"])
async def test_every_answer_has_security_headers(api: Api, path: str) -> None:
    """Every answer forbids sniffing, framing, referrers, scripts and caching."""
    async with api.client() as client:
        headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert "strict-transport-security" not in headers


async def test_production_is_stricter(own_settings: Settings) -> None:
    """In production there is HSTS, the cookie is Secure, and the API documents are hidden."""
    strict = own_settings.model_copy(update={"environment": "production"})
    async with run_api(strict) as api:
        person = await People(api).create()
        async with api.client() as client:
            response = await client.get("/healthz")
            assert "max-age=" in response.headers["strict-transport-security"]
            for path in ("/docs", "/openapi.json", "/redoc"):
                assert (await client.get(path)).status_code == 404
            body = {"email": person.email, "password": "plenty-of-entropy-7"}
            login = await client.post(LOGIN, json=body)
            assert "Secure" in login.headers["set-cookie"]


async def test_cors_admits_the_frontend_alone(api: Api) -> None:
    """The frontend's origin may call the API with credentials; any other may not."""
    preflight = {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization",
    }
    frontend = api.resources.settings.frontend_url
    async with api.client() as client:
        ours = await client.options("/api/v1/users", headers={"Origin": frontend, **preflight})
        assert ours.headers["access-control-allow-origin"] == frontend
        assert ours.headers["access-control-allow-credentials"] == "true"
        answer = await client.get("/healthz", headers={"Origin": frontend})
        assert "Cache-Status" in answer.headers["access-control-expose-headers"]
        for origin in ("https://evil.example", "null", f"{frontend}.evil.example"):
            theirs = await client.options("/api/v1/users", headers={"Origin": origin, **preflight})
            assert "access-control-allow-origin" not in theirs.headers


async def test_internal_errors_tell_nothing(own_settings: Settings) -> None:
    """An unexpected error is a 500 problem with a request id and without details."""
    async with run_api(own_settings) as api:

        async def explode() -> None:
            raise ZeroDivisionError("secret detail")

        api.app.add_api_route("/explode", explode)
        async with api.client() as client:
            response = await client.get("/explode")
    assert_problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_login_is_limited_per_address_and_email(own_settings: Settings) -> None:
    """After 3 tries for one address the next is a 429 problem that says when to come back."""
    narrow = own_settings.model_copy(update={"rate_limit_login": "3/minute"})
    async with run_api(narrow) as api, api.client() as client:
        for _ in range(3):
            assert (await client.post(LOGIN, json=BODY)).status_code == 401
        upper = {**BODY, "email": BODY["email"].upper()}
        for body in (BODY, upper):
            forged = {"X-Forwarded-For": "203.0.113.9"}
            refused = await client.post(LOGIN, json=body, headers=forged)
            assert_problem(refused, 429, "rate_limited")
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert refused.headers["ratelimit"].startswith('"login";r=0;t=')
            assert refused.headers["ratelimit-policy"] == '"login";q=3;w=60'
        other = await client.post(LOGIN, json={**BODY, "email": "somebody@example.com"})
        assert other.status_code == 401


async def test_login_is_limited_per_address(own_settings: Settings) -> None:
    """One address may not try many e-mail addresses either."""
    narrow = own_settings.model_copy(update={"rate_limit_login_address": "3/minute"})
    async with run_api(narrow) as api, api.client() as client:
        statuses = [
            (await client.post(LOGIN, json={**BODY, "email": f"{n}@example.com"})).status_code
            for n in range(4)
        ]
    assert statuses == [401, 401, 401, 429]


async def test_users_are_limited_across_processes(own_settings: Settings) -> None:
    """A user's requests to two processes count together, and other users are not touched."""
    narrow = own_settings.model_copy(update={"rate_limit_default": "10/minute"})
    async with run_api(narrow) as one, run_api(narrow) as two:
        people = People(one)
        person, other = await people.create(), await people.create()
        statuses = []
        for number in range(12):
            async with (one, two)[number % 2].client(person.token) as client:
                statuses.append((await client.get("/api/v1/auth/me")).status_code)
        async with other.client() as client:
            assert (await client.get("/api/v1/auth/me")).status_code == 200
    assert statuses == [200] * 10 + [429] * 2


async def test_trusted_proxies_are_believed(own_settings: Settings) -> None:
    """Behind a trusted proxy the limits count the address that it tells."""
    narrow = own_settings.model_copy(
        update={"rate_limit_login_address": "1/minute", "trusted_proxies": "127.0.0.0/8"}
    )
    async with run_api(narrow) as api, api.client() as client:
        statuses = [
            (await client.post(LOGIN, json=BODY, headers={"X-Forwarded-For": address})).status_code
            for address in ("203.0.113.1", "203.0.113.2", "203.0.113.1")
        ]
    assert statuses == [401, 401, 429]


async def test_probes_have_no_limit(own_settings: Settings) -> None:
    """Health checks are answered however often they come."""
    narrow = own_settings.model_copy(update={"rate_limit_default": "1/minute"})
    async with run_api(narrow) as api, api.client() as client:
        for path in ("/healthz", "/readyz") * 3:
            assert (await client.get(path)).status_code == 200


async def test_system_info(api: Api) -> None:
    """The system tells its name, version and environment."""
    async with api.client() as client:
        info = (await client.get("/api/v1/system/info")).json()
    assert info["name"] == "groundplan"
    assert re.fullmatch(r"\d+\.\d+\.\d+", info["version"])
    assert info["environment"] == "development"
