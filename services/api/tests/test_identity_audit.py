"""The audit log: what is in it, who reads it, and that nobody changes it."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2 as httpx
import pytest

from app.database import connect_arguments
from app.logins import API_ROLE
from app.settings import Settings
from tests.audit import events_of, names_of
from tests.people import PASSWORD, People
from tests.running import Api

pytestmark = pytest.mark.anyio
AUDIT = "/api/v1/audit"
LOGIN = "/api/v1/auth/login"


@pytest.mark.parametrize("role", ["", API_ROLE])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET event = 'nothing'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ],
)
async def test_nobody_changes_it(
    settings: Settings, people: People, role: str, statement: str
) -> None:
    """PostgreSQL refuses changes of the log, to the API and to the owner."""
    await (await people.create()).login()
    connection = await asyncpg.connect(**connect_arguments(settings, role))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
        assert await connection.fetchval("SELECT count(*) FROM audit_events") > 0
    finally:
        await connection.close()


async def test_signing_in_and_out_is_logged(
    api: Api, people: People, postgres: "asyncpg.Connection"
) -> None:
    """Each step is there with address and request, and neither password nor token is."""
    person = await people.create()
    wrong = "a-wrong-password-77"
    async with api.client() as client:
        body = {"email": person.email, "password": wrong}
        refused = await client.post(LOGIN, json=body)
    tokens = await person.login()
    async with api.client() as client:
        renewed = await client.post(
            "/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
        )
        await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    again = await person.login()
    async with api.client(again["access_token"]) as client:
        await client.post("/api/v1/auth/logout")
    events = await events_of(postgres, person.id)
    assert [event["event"] for event in events] == [
        "auth.login_refused", "auth.login", "auth.refresh_reused", "auth.login", "auth.logout",
    ]  # fmt: skip
    assert {event["address"] for event in events} == {"127.0.0.1"}
    assert events[0]["request_id"] == refused.headers["x-request-id"]
    assert events[0]["actor_id"] is None
    secrets = (wrong, PASSWORD, tokens["access_token"], tokens["refresh_token"], renewed.text)
    assert not any(secret in str(events) for secret in secrets)


async def test_strangers_are_logged_without_their_address(
    api: Api, postgres: "asyncpg.Connection"
) -> None:
    """A refused sign-in of nobody's e-mail is there with a hash of it."""
    email = f"{uuid4().hex}@example.com"
    async with api.client() as client:
        await client.post(LOGIN, json={"email": email, "password": "wrong"})
    row = await postgres.fetchrow("SELECT * FROM audit_events ORDER BY id DESC LIMIT 1")
    assert row["event"] == "auth.login_refused"
    assert "email_hash" in row["details"]
    assert email not in str(dict(row))


async def test_what_admins_do_is_logged(
    people: People, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """Changes of users and roles are there with who did it; what was refused is not."""
    me = UUID((await admin.get("/api/v1/auth/me")).json()["id"])
    person = await people.create()
    path = f"/api/v1/users/{person.id}"
    await admin.patch(path, json={"name": "New Name", "password": "another-secret-42"})
    await admin.post(f"{path}/deactivate")
    await admin.post(f"{path}/deactivate")  # changes nothing
    await admin.post(f"{path}/activate")
    await admin.patch(path, json={"role": "no-such-role"})
    name = f"role-{uuid4().hex[:8]}"
    role = (await admin.post("/api/v1/roles", json={"name": name, "permissions": []})).json()
    await admin.patch(f"/api/v1/roles/{role['id']}", json={"permissions": ["user:read"]})
    await admin.delete(f"/api/v1/roles/{role['id']}")
    events = await events_of(postgres, me)
    assert [(event["event"], event["subject_id"]) for event in events] == [
        ("user.changed", person.id),
        ("user.deactivated", person.id),
        ("user.activated", person.id),
        ("role.created", UUID(role["id"])),
        ("role.changed", UUID(role["id"])),
        ("role.deleted", UUID(role["id"])),
    ]
    assert events[0]["details"]["fields"] == ["name", "password"]
    assert "another-secret-42" not in str(events)
    assert events[4]["details"] == {"name": name, "permissions": ["user:read"]}


async def pages(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    """All events that the query finds, page by page."""
    items: list[dict[str, Any]] = []
    while True:
        answer = await client.get(AUDIT, params=params)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        params["cursor"] = answer.json()["next_cursor"]
        if params["cursor"] is None:
            return items


async def test_it_is_read_page_by_page(people: People, admin: httpx.AsyncClient) -> None:
    """Newest first, by event and by user, nothing twice and nothing left out."""
    person = await people.create()
    for _ in range(3):
        await person.login()
    await admin.post(f"/api/v1/users/{person.id}/deactivate")
    items = await pages(admin, user_id=str(person.id), limit=2)
    assert [item["event"] for item in items] == ["user.deactivated", *["auth.login"] * 3]
    assert [item["id"] for item in items] == sorted({item["id"] for item in items}, reverse=True)
    assert items[1]["actor"] == {"id": str(person.id), "email": person.email}
    assert items[0]["subject"] == {"type": "user", "id": str(person.id), "name": person.email}
    logins = await pages(admin, user_id=str(person.id), event="auth.login")
    assert [item["id"] for item in logins] == [item["id"] for item in items[1:]]


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=0", "cursor=-1", f"cursor={'9' * 19}", "limit=0", "limit=201", "event=x",
     "user_id=1", "other=1"],
)  # fmt: skip
async def test_bad_queries_are_refused(admin: httpx.AsyncClient, query: str) -> None:
    """What is no cursor, event, user or limit is refused with 422."""
    assert (await admin.get(f"{AUDIT}?{query}")).status_code == 422


async def test_managers_do_not_read_it(people: People) -> None:
    """Reading the log needs its own permission."""
    async with (await people.create("manager")).client() as manager:
        assert (await manager.get(AUDIT)).status_code == 403
    async with (await people.create_with("audit:read")).client() as auditor:
        assert (await auditor.get(AUDIT)).status_code == 200


async def test_what_is_not_committed_is_not_logged(
    people: People, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """A change that is refused at the end leaves no event behind."""
    person, other = await people.create(), await people.create()
    answer = await admin.patch(f"/api/v1/users/{person.id}", json={"email": other.email})
    assert answer.status_code == 409
    assert await names_of(postgres, person.id) == []
