"""Who may call what: every route, with every role."""

import re
from uuid import uuid4

import asyncpg
import jwt
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Route

from app.auth.access import Access
from app.openapi import declared_access
from app.role.domain import BUILT_IN_ROLES, Permission
from tests.jobs import create_job
from tests.people import People
from tests.running import Api

pytestmark = pytest.mark.anyio
OPEN = {"public", "probe"}
FOR_DEVELOPERS = {"/docs", "/openapi.json", "/docs/oauth2-redirect"}


def calls(api: Api) -> list[tuple[str, str, Access]]:
    """Method, path with made-up ids, and declared access of every route."""
    return [
        (method, _with_ids(route.path_format or ""), access)
        for route, (access,) in declared_access(api.app)
        for method in sorted(route.methods or ())
    ]


def _with_ids(path: str) -> str:
    return re.sub(r"\{\w+\}", lambda _: str(uuid4()), path)


async def test_every_route_declares_who_may_call_it(api: Api) -> None:
    """Each route declares exactly one access; only the API documentation has none."""
    declared = {route.path: access for route, access in declared_access(api.app)}
    assert len(declared) > 15
    assert [path for path, access in declared.items() if len(access) != 1] == []
    others = {
        route.path
        for route in iter_route_contexts(api.app.routes)
        if not isinstance(route.original_route, APIRoute)
    }
    assert others <= FOR_DEVELOPERS
    assert all(
        isinstance(r.original_route, (APIRoute, Route)) for r in iter_route_contexts(api.app.routes)
    )


@pytest.mark.parametrize("token", ["none", "expired", "deactivated", "another secret", "garbage"])
async def test_nobody_gets_in_without_a_good_token(
    api: Api, people: People, postgres: "asyncpg.Connection", token: str
) -> None:
    """Every route that is not open answers 401 without a token that is good now."""
    async with api.client(await _bad_token(api, people, postgres, token)) as client:
        for method, path, access in calls(api):
            if access.name not in OPEN:
                response = await client.request(method, path)
                assert response.status_code == 401, (method, path)


async def _bad_token(
    api: Api, people: People, postgres: "asyncpg.Connection", kind: str
) -> str | None:
    person = await people.create("admin")
    claims = jwt.decode(person.token, options={"verify_signature": False})
    if kind == "deactivated":
        await postgres.execute("UPDATE users SET is_active = false WHERE id = $1", person.id)
        return person.token
    if kind == "expired":
        (key, *_), header = api.resources.settings.jwt_keys, jwt.get_unverified_header(person.token)
        return jwt.encode({**claims, "exp": claims["iat"] - 1}, key, headers=header)
    if kind == "another secret":
        return jwt.encode(claims, "x" * 64, headers=jwt.get_unverified_header(person.token))
    return "garbage" if kind == "garbage" else None


@pytest.mark.parametrize("role", ["viewer", "owner"])
async def test_what_belongs_to_another_is_not_there(api: Api, people: People, role: str) -> None:
    """Every route with the id of another user's job answers 404, or 403 without the permission."""
    everything = set(Permission) - {Permission.JOB_READ_ALL, Permission.JOB_MANAGE}
    name = await people.create_role(everything) if role == "owner" else role
    mine, other = await people.create(name), await people.create("admin")
    async with other.client() as client:
        job = (await create_job(client))["id"]
    allowed = everything if role == "owner" else set(BUILT_IN_ROLES[role][1])
    async with mine.client() as client:
        for route, (access,) in declared_access(api.app):
            if "{job_id}" not in (route.path_format or ""):
                continue
            path = (route.path_format or "").format(job_id=job)
            for method in route.methods or ():
                wanted = 404 if access.permission in allowed else 403
                assert (await client.request(method, path)).status_code == wanted, (method, path)


@pytest.mark.parametrize("role", [*BUILT_IN_ROLES, "none"])
async def test_each_role_gets_what_its_permissions_say(api: Api, people: People, role: str) -> None:
    """A role is let in exactly where its permissions allow it, on every route."""
    name = await people.create_role(()) if role == "none" else role
    permissions = BUILT_IN_ROLES[role][1] if role in BUILT_IN_ROLES else ()
    for method, path, access in calls(api):
        if access.name in OPEN:
            continue
        person = await people.create(name)
        async with person.client() as client, client.stream(method, path) as response:
            status = response.status_code
        if access.permission is None or access.permission in permissions:
            assert status not in (401, 403), (method, path, status)
        else:
            assert status == 403, (method, path, status)
        assert status < 500, (method, path, status)


async def test_the_document_says_who_may_call(api: Api) -> None:
    """The OpenAPI document names the access of each route, and asks for a token where needed."""
    paths = api.app.openapi()["paths"]
    for route, (access,) in declared_access(api.app):
        for method in route.methods or ():
            operation = paths[route.path_format][method.lower()]
            assert operation["x-access"] == access.name
            assert ("security" in operation) == (access.name not in OPEN)


async def test_a_session_of_another_is_not_there(people: People) -> None:
    """Nobody ends the session of somebody else, not even an admin; their own they do."""
    mine, other = await people.create("admin"), await people.create("viewer")
    async with other.client() as client:
        (session,) = (await client.get("/api/v1/auth/sessions")).json()["items"]
        path = f"/api/v1/auth/sessions/{session['id']}"
        async with mine.client() as stranger:
            assert (await stranger.delete(path)).status_code == 404
        assert (await client.get("/api/v1/auth/me")).status_code == 200
        assert (await client.delete(path)).status_code == 204
        assert (await client.get("/api/v1/auth/me")).status_code == 401
