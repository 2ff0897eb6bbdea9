"""What browsers are told: security headers on every route, and cookies that scripts can't read."""

import pytest

from app.settings import Settings
from tests.people import PASSWORD, People
from tests.running import Api, run_api
from tests.test_access import calls

pytestmark = pytest.mark.anyio
EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-site",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
HSTS = "max-age=31536000; includeSubDomains"


def production(settings: Settings) -> Settings:
    """The same, as it is deployed."""
    return settings.model_copy(update={"environment": "production"})


@pytest.mark.parametrize("role", ["admin", None])
async def test_every_route_sends_security_headers(own_settings: Settings, role: str | None) -> None:
    """In production each answer, of whatever status, has the headers, and HSTS."""
    async with run_api(production(own_settings)) as api:
        found = {}
        for method, path, _ in [*calls(api), ("GET", "/", None), ("PUT", "/api/v1/none", None)]:
            # A new user each time: some routes end the session.
            token = (await People(api).create(role)).token if role else None
            async with api.client(token) as client, client.stream(method, path) as response:
                found[f"{method} {path}"] = response.headers
    assert len(found) > 30
    for route, headers in found.items():
        assert headers["strict-transport-security"] == HSTS, route
        assert {name: headers[name] for name in EXPECTED} == EXPECTED, route
        assert "no-store" in headers["cache-control"], route


async def test_development_sends_no_hsts(api: Api) -> None:
    """A browser must not learn that localhost has TLS."""
    async with api.client() as client:
        assert "strict-transport-security" not in (await client.get("/healthz")).headers


async def test_cookies_are_closed_to_scripts_and_other_sites(own_settings: Settings) -> None:
    """Every cookie of production is Secure, HttpOnly, SameSite=Strict and has a narrow path."""
    async with run_api(production(own_settings)) as api, api.client() as client:
        person = await People(api).create()
        body = {"email": person.email, "password": PASSWORD}
        cookies = (await client.post("/api/v1/auth/login", json=body)).headers
        for cookie in cookies.get_list("set-cookie"):
            for attribute in ("Secure", "HttpOnly", "SameSite=strict", "Path=/api/v1/auth"):
                assert attribute in cookie
    assert {cookie.split("=")[0] for cookie in cookies.get_list("set-cookie")} == {
        "refresh_token",
        "device",
    }


async def test_a_cookie_alone_does_nothing(api: Api, people: People) -> None:
    """The one route that acts on a cookie asks where the page is from; no other looks at it."""
    person = await people.create()
    tokens = await person.login()
    cookie = {"Cookie": f"refresh_token={tokens['refresh_token']}", "Origin": "https://evil.test"}
    acted = set()
    async with api.client() as client:
        for method, path, access in calls(api):
            if access.name == "probe" or path.endswith("/login"):
                continue
            async with client.stream(method, path, headers=cookie) as response:
                if response.status_code not in {401, 422}:
                    acted.add((path, response.status_code))
        assert (await client.get("/api/v1/auth/me", headers=cookie)).status_code == 401
    assert acted <= {("/api/v1/auth/refresh", 403), ("/api/v1/system/info", 200)}
    async with api.client() as client:
        body = {"refresh_token": tokens["refresh_token"]}
        assert (await client.post("/api/v1/auth/refresh", json=body)).status_code == 200
