"""Who may call what: every route, with every role."""

from uuid import uuid4

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Route

from app.auth.access import Access
from app.openapi import declared_access
from app.role.domain import BUILT_IN_ROLES
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
    for name in ("user_id", "role_id", "job_id"):
        path = path.replace(f"{{{name}}}", str(uuid4()))
    return path


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


async def test_nobody_gets_in_without_a_token(api: Api) -> None:
    """Every route that is not open answers 401 to a stranger."""
    async with api.client() as client:
        for method, path, access in calls(api):
            if access.name not in OPEN:
                response = await client.request(method, path)
                assert response.status_code == 401, (method, path)


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
