"""Roles and their permissions."""

from uuid import uuid4

import httpx2 as httpx
import pytest

from app.role.domain import BUILT_IN_ROLES, Permission, may_grant
from tests.people import People

pytestmark = pytest.mark.anyio
ROLES = "/api/v1/roles"


def new_name() -> str:
    """A name that no other role has."""
    return f"role-{uuid4().hex[:12]}"


async def test_built_in_roles_are_there(admin: httpx.AsyncClient) -> None:
    """The list shows the built-in roles with their permissions, and admin has all there are."""
    roles = {role["name"]: role for role in (await admin.get(ROLES)).json()["items"]}
    for name, (_, permissions) in BUILT_IN_ROLES.items():
        assert roles[name]["built_in"] is True
        assert set(roles[name]["permissions"]) == set(permissions)
    listed = (await admin.get("/api/v1/permissions")).json()["items"]
    assert {item["name"] for item in listed} == set(Permission)
    assert all(item["description"] for item in listed)


async def test_a_role_lives_and_dies(admin: httpx.AsyncClient) -> None:
    """A role can be made, read, changed and deleted."""
    body = {"name": new_name(), "description": "Looks at jobs", "permissions": ["job:read"]}
    created = await admin.post(ROLES, json=body)
    assert created.status_code == 201
    where = created.headers["location"]
    assert (await admin.get(where)).json() == created.json()
    changed = await admin.patch(where, json={"permissions": ["job:read", "user:read"]})
    assert changed.json()["permissions"] == ["job:read", "user:read"]
    assert changed.json()["description"] == "Looks at jobs"
    assert (await admin.delete(where)).status_code == 204
    assert (await admin.get(where)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Capital", "permissions": []},
        {"name": "", "permissions": []},
        {"name": "fine", "permissions": ["everything"]},
        {"name": "fine", "permissions": ["job:read", "job:read"]},
        {"name": "fine"},
        {"name": "fine", "permissions": [], "description": "a\x00b"},
    ],
)
async def test_invalid_roles_are_refused(admin: httpx.AsyncClient, body: dict[str, object]) -> None:
    """A role with a bad name, an unknown or repeated permission or a NUL is refused with 422."""
    assert (await admin.post(ROLES, json=body)).status_code == 422


async def test_names_are_taken(admin: httpx.AsyncClient) -> None:
    """A taken name is refused with 409, for new roles and for changes."""
    first = (await admin.post(ROLES, json={"name": new_name(), "permissions": []})).json()
    second = (await admin.post(ROLES, json={"name": new_name(), "permissions": []})).json()
    again = await admin.post(ROLES, json={"name": first["name"], "permissions": []})
    change = await admin.patch(f"{ROLES}/{second['id']}", json={"name": first["name"]})
    assert [again.status_code, change.status_code] == [409, 409]


async def test_built_in_roles_stay(admin: httpx.AsyncClient) -> None:
    """Built-in roles can't be deleted or renamed, and admin keeps every permission."""
    roles = {role["name"]: role["id"] for role in (await admin.get(ROLES)).json()["items"]}
    for name in BUILT_IN_ROLES:
        where = f"{ROLES}/{roles[name]}"
        assert (await admin.delete(where)).status_code == 409
        assert (await admin.patch(where, json={"name": new_name()})).status_code == 409
    demoted = await admin.patch(f"{ROLES}/{roles['admin']}", json={"permissions": ["user:read"]})
    assert (demoted.status_code, demoted.json()["code"]) == (409, "role_built_in")


async def test_a_role_in_use_stays(people: People, admin: httpx.AsyncClient) -> None:
    """A role that somebody has can't be deleted."""
    person = await people.create_with("job:read")
    async with person.client() as client:
        role = (await client.get("/api/v1/auth/me")).json()["role"]
    response = await admin.delete(f"{ROLES}/{role['id']}")
    assert (response.status_code, response.json()["code"]) == (409, "role_in_use")


async def test_new_permissions_count_at_once(people: People, admin: httpx.AsyncClient) -> None:
    """A change of a role's permissions counts on the next request of those who have it."""
    person = await people.create_with("job:read")
    async with person.client() as client:
        me = (await client.get("/api/v1/auth/me")).json()
        where = f"{ROLES}/{me['role']['id']}"
        for permissions, expected in ((["user:read"], 200), ([], 403), (["user:read"], 200)):
            await admin.patch(where, json={"permissions": permissions})
            assert (await client.get("/api/v1/users")).status_code == expected
        await admin.patch(where, json={"name": (name := new_name())})
        assert (await client.get("/api/v1/auth/me")).json()["role"]["name"] == name


async def test_a_renamed_role_shows_in_the_user_list(
    people: People, admin: httpx.AsyncClient
) -> None:
    """After a role is renamed the cached user list shows the new name."""
    person = await people.create_with("job:read")
    params = {"q": person.email}
    role = (await admin.get("/api/v1/users", params=params)).json()["items"][0]["role"]
    await admin.patch(f"{ROLES}/{role['id']}", json={"name": (name := new_name())})
    page = (await admin.get("/api/v1/users", params=params)).json()
    assert page["items"][0]["role"]["name"] == name


async def test_nobody_grants_what_they_lack(people: People, admin: httpx.AsyncClient) -> None:
    """With role:write alone nobody hands out, or takes away, permissions that they lack."""
    role = (
        await admin.post(ROLES, json={"name": new_name(), "permissions": ["user:write"]})
    ).json()
    person = await people.create_with("role:write", "role:read")
    async with person.client() as client:
        answers = [
            await client.post(ROLES, json={"name": new_name(), "permissions": ["user:write"]}),
            await client.patch(f"{ROLES}/{role['id']}", json={"permissions": []}),
            await client.patch(f"{ROLES}/{role['id']}", json={"permissions": ["job:read_all"]}),
        ]
        allowed = await client.post(ROLES, json={"name": new_name(), "permissions": ["role:read"]})
    assert {answer.status_code for answer in answers} == {403}
    assert allowed.status_code == 201


def test_may_grant() -> None:
    """One may grant what one has, and nothing is always fine."""
    assert may_grant({"a", "b"}, {"a"})
    assert may_grant({"a"}, set())
    assert not may_grant({"a"}, {"a", "b"})
