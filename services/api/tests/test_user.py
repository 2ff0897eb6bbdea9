"""Users: reading, caching, writing, and who may manage whom."""

import asyncio
from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2 as httpx
import pytest

from app.resources import Resources
from app.settings import Settings
from app.user.cache import CacheStatus
from app.user.schemas import UserQuery
from tests import database
from tests.database import migration_of
from tests.people import PASSWORD, People
from tests.running import Api, run_api
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
USERS = "/api/v1/users"
NOBODY = "00000000-0000-4000-8000-000000000000"


def new_user(**changes: Any) -> dict[str, Any]:
    """Body of a new user."""
    return {
        "email": f"{uuid4().hex}@example.com",
        "name": "New Person",
        "password": "a-fine-password-9",
        "role": "viewer",
        **changes,
    }


async def create(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Create a user through the API."""
    response = await client.post(USERS, json=new_user(**changes))
    assert response.status_code == 201, response.text
    user: dict[str, Any] = response.json()
    return user


async def test_created_user_can_be_read_and_signs_in(admin: httpx.AsyncClient) -> None:
    """A created user is at its Location, shows no password, and can sign in."""
    body = new_user(email=f"  {uuid4().hex}@Example.COM ", name=" Zoë Ångström ")
    response = await admin.post(USERS, json=body)
    assert response.status_code == 201
    user = (await admin.get(response.headers["location"])).json()
    assert user == response.json()
    assert user["email"] == body["email"].strip().lower()
    assert user["name"] == "Zoë Ångström"
    assert user["role"]["name"] == "viewer"
    assert set(user) == {
        "id", "email", "name", "role", "is_active", "second_factor", "invited",
        "created_at", "updated_at",
    }  # fmt: skip
    login = {"email": user["email"], "password": body["password"]}
    assert (await admin.post("/api/v1/auth/login", json=login)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "nonsense"}, "body.email"),
        ({"email": "a\x00b@example.com"}, "body.email"),
        ({"name": "  "}, "body.name"),
        ({"name": "x" * 201}, "body.name"),
        ({"name": "a\x00b"}, "body.name"),
        ({"name": "Ada\x0b"}, "body.name"),
        ({"name": None}, "body.name"),
        ({"password": "short"}, "body.password"),
        ({"role": "no-such-role"}, "body.role"),
        ({"role": "Bad Role!"}, "body.role"),
    ],
)
async def test_invalid_users_are_refused(
    admin: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    """What is wrong with a new user is told with 422 and the name of the field."""
    response = await admin.post(USERS, json=new_user(**changes))
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_email_is_taken_in_any_case(admin: httpx.AsyncClient) -> None:
    """A second user, or a change, with a taken address is refused with 409, whatever its case."""
    user, other = await create(admin), await create(admin)
    response = await admin.post(USERS, json=new_user(email=user["email"].upper()))
    assert response.status_code == 409
    assert response.json()["code"] == "email_taken"
    change = await admin.patch(f"{USERS}/{other['id']}", json={"email": user["email"]})
    assert change.status_code == 409


async def test_update_changes_only_what_is_given(admin: httpx.AsyncClient) -> None:
    """PATCH changes the given fields, moves updated_at, and leaves the rest."""
    user = await create(admin)
    changed = (await admin.patch(f"{USERS}/{user['id']}", json={"name": "Renamed"})).json()
    assert changed["name"] == "Renamed"
    assert changed["updated_at"] > user["updated_at"]
    same = {"id", "email", "role", "is_active", "created_at"}
    assert {key: changed[key] for key in same} == {key: user[key] for key in same}


async def test_unknown_and_malformed_ids(admin: httpx.AsyncClient) -> None:
    """An unknown id is 404, what is no id is 422."""
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("POST", "/deactivate"),
        ("POST", "/activate"),
    ):
        response = await admin.request(method, f"{USERS}/{uuid4()}{path}", json={})
        assert (response.status_code, response.json()["code"]) == (404, "user_not_found")
        assert (await admin.request(method, f"{USERS}/x{path}", json={})).status_code == 422


async def test_deactivation_bites_at_once(people: People, admin: httpx.AsyncClient) -> None:
    """A deactivated user's token is refused on the next request, and again after reactivation."""
    person = await people.create()
    async with person.client() as client:
        assert (await client.get("/api/v1/auth/me")).status_code == 200
        response = await admin.post(f"{USERS}/{person.id}/deactivate")
        assert response.json()["is_active"] is False
        assert (await client.get("/api/v1/auth/me")).status_code == 401
        response = await admin.post(f"{USERS}/{person.id}/activate")
        assert response.json()["is_active"] is True
        assert (await client.get("/api/v1/auth/me")).status_code == 401
    await person.login()


@pytest.mark.parametrize("change", [{"role": "manager"}, {"password": "another-password-3"}])
async def test_new_role_or_password_ends_sessions(
    people: People, admin: httpx.AsyncClient, change: dict[str, str]
) -> None:
    """After a change of role or password the user's tokens are refused on the next request."""
    person = await people.create()
    async with person.client() as client:
        assert (await client.get("/api/v1/auth/me")).status_code == 200
        assert (await admin.patch(f"{USERS}/{person.id}", json=change)).status_code == 200
        assert (await client.get("/api/v1/auth/me")).status_code == 401


async def test_new_name_shows_at_once_and_ends_no_session(
    people: People, admin: httpx.AsyncClient
) -> None:
    """After a change of name the user is still signed in, under the new name."""
    person = await people.create()
    async with person.client() as client:
        await client.get("/api/v1/auth/me")
        await admin.patch(f"{USERS}/{person.id}", json={"name": "Renamed"})
        assert (await client.get("/api/v1/auth/me")).json()["name"] == "Renamed"


async def test_nobody_deactivates_themselves(people: People) -> None:
    """Deactivating oneself is refused with 409."""
    person = await people.create("admin")
    async with person.client() as client:
        response = await client.post(f"{USERS}/{person.id}/deactivate")
    assert (response.status_code, response.json()["code"]) == (409, "user_is_self")


async def test_the_last_admin_stays(own_settings: Settings) -> None:
    """The last active admin stays one; of two who demote each other at once, one stays."""
    async with run_api(own_settings) as api:
        people = People(api)
        first, second = await people.create("admin"), await people.create("admin")
        async with first.client() as one, second.client() as two:
            users = (
                await one.get(USERS, params={"q": migration_of(own_settings).admin_email})
            ).json()["items"]
            assert (await one.post(f"{USERS}/{users[0]['id']}/deactivate")).status_code == 200
            answers = await asyncio.gather(
                one.patch(f"{USERS}/{second.id}", json={"role": "viewer"}),
                two.patch(f"{USERS}/{first.id}", json={"role": "viewer"}),
            )
            winner = one if answers[0].status_code == 200 else two
            last = first if winner is one else second
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses in ([200, 401], [200, 409])
            response = await winner.patch(f"{USERS}/{last.id}", json={"role": "viewer"})
            assert (response.status_code, response.json()["code"]) == (409, "last_admin")


async def test_managers_can_not_raise_anybody_above_themselves(people: People) -> None:
    """With user:write alone nobody makes an admin, touches one, or takes one over."""
    manager, target, boss = (
        await people.create("manager"), await people.create(), await people.create("admin")
    )  # fmt: skip
    async with manager.client() as client:
        answers = [
            await client.post(USERS, json=new_user(role="admin")),
            await client.patch(f"{USERS}/{target.id}", json={"role": "admin"}),
            await client.patch(f"{USERS}/{manager.id}", json={"role": "admin"}),
            await client.patch(f"{USERS}/{boss.id}", json={"password": "taken-over-12345"}),
            await client.patch(f"{USERS}/{boss.id}", json={"email": "mine@example.com"}),
            await client.post(f"{USERS}/{boss.id}/deactivate"),
        ]
        assert {answer.status_code for answer in answers} == {403}
        promoted = await client.patch(f"{USERS}/{target.id}", json={"role": "manager"})
        assert promoted.status_code == 200


async def test_list_is_a_miss_and_then_a_hit(admin: httpx.AsyncClient) -> None:
    """The same list twice comes from PostgreSQL and then, byte for byte the same, from Redis."""
    params = {"q": uuid4().hex}
    first, second = await admin.get(USERS, params=params), await admin.get(USERS, params=params)
    assert first.headers["cache-status"] == "groundplan; fwd=miss"
    assert second.headers["cache-status"] == "groundplan; hit"
    assert first.content == second.content


async def test_equal_queries_share_a_page(admin: httpx.AsyncClient) -> None:
    """Defaults that are spelled out, and another order of parameters, are the same query."""
    word = uuid4().hex
    await admin.get(f"{USERS}?q={word}")
    same = await admin.get(f"{USERS}?limit=50&sort=name&q={word}")
    assert same.headers["cache-status"] == "groundplan; hit"


async def test_single_users_look_the_same_in_the_list(admin: httpx.AsyncClient) -> None:
    """A user in the list has the same fields and values as alone."""
    user = await create(admin)
    page = (await admin.get(USERS, params={"q": user["email"]})).json()
    assert len(page["items"]) == 1
    listed = page["items"][0]
    assert {**listed, "created_at": 0, "updated_at": 0} == {
        **user,
        "created_at": 0,
        "updated_at": 0,
    }
    for field in ("created_at", "updated_at"):
        assert datetime.fromisoformat(listed[field]) == datetime.fromisoformat(user[field])


@pytest.mark.parametrize("writes", [40, pytest.param(1000, marks=pytest.mark.long)])
async def test_no_read_is_stale_after_a_write(admin: httpx.AsyncClient, writes: int) -> None:
    """Straight after each of many writes the cached list shows it, under busy readers."""
    user = await create(admin)
    params = {"q": user["email"]}
    done = asyncio.Event()

    async def keep_reading() -> None:
        while not done.is_set():
            await admin.get(USERS, params=params)

    readers = [asyncio.create_task(keep_reading()) for _ in range(4)]
    for number in range(writes):
        name = f"Name {number}"
        await admin.patch(f"{USERS}/{user['id']}", json={"name": name})
        page = (await admin.get(USERS, params=params)).json()
        assert [item["name"] for item in page["items"]] == [name]
    done.set()
    await asyncio.gather(*readers)


async def test_a_fill_from_before_a_write_is_never_served(api: Api) -> None:
    """A page that was read before a write and stored after it is a miss for everybody."""
    query = UserQuery(q=uuid4().hex)
    cache, started, go_on = api.resources.user_lists, asyncio.Event(), asyncio.Event()

    async def load_old() -> bytes:
        started.set()
        await go_on.wait()
        return b"old"

    async def load_new() -> bytes:
        return b"new"

    slow = asyncio.create_task(cache.get(query, load_old))
    await started.wait()
    await cache.invalidate()
    assert await cache.get(query, load_new) == (b"new", CacheStatus.MISS)
    go_on.set()
    assert await slow == (b"old", CacheStatus.MISS)
    page, _ = await cache.get(query, load_new)
    assert page == b"new"


async def test_a_stampede_asks_postgres_once(
    settings: Settings, people: People, postgres: "asyncpg.Connection"
) -> None:
    """60 misses at once on two processes make one query."""
    person = await people.create()
    watcher = await database.connect(settings, settings.postgres_db)
    params = {"q": uuid4().hex}
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with (
        run_api(settings) as other,
        person.client() as here,
        other.client(person.token) as there,
    ):
        for client in (here, there):
            await client.get("/api/v1/auth/me")
        async with postgres.transaction():
            await postgres.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            tasks = [
                asyncio.create_task(client.get(USERS, params=params))
                for client in (here, there)
                for _ in range(30)
            ]
            await eventually(lambda: watcher.fetchval(waiting))
            await asyncio.sleep(0.3)  # time for a second query to show up, if there were one
            queries = await watcher.fetchval(waiting)
        answers = await asyncio.gather(*tasks)
    await watcher.close()
    assert queries == 1
    assert {answer.status_code for answer in answers} == {200}


async def test_a_failing_fill_fails_no_later_reader(api: Api) -> None:
    """When the fill fails its readers get the error, and the next reader tries again at once."""
    query, cache = UserQuery(q=uuid4().hex), api.resources.user_lists

    async def fail() -> bytes:
        raise OSError("the database is away")

    async def load() -> bytes:
        return b"page"

    with pytest.raises(OSError, match="away"):
        await cache.get(query, fail)
    assert await cache.get(query, load) == (b"page", CacheStatus.MISS)


@pytest.mark.parametrize("sort", ["name", "-name", "email", "-email", "created_at", "-created_at"])
async def test_pages_show_everybody_once_and_in_order(admin: httpx.AsyncClient, sort: str) -> None:
    """Walking the pages shows each user exactly once, in the order asked for, ties included."""
    word = uuid4().hex[:12]
    names = ["Same", "Same", "Same", "Alpha", "Zeta", "Éclair", "zeta"]
    for name in names:
        await create(admin, name=f"{word} {name}")
    seen: list[dict[str, Any]] = []
    params: dict[str, Any] = {"q": word, "sort": sort, "limit": 2}
    while True:
        page = (await admin.get(USERS, params=params)).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 2
        params["cursor"] = page["next_cursor"]
    assert len({item["id"] for item in seen}) == len(seen) == len(names)
    if not sort.endswith("name"):  # names sort as the database's collation says
        keys = [item[sort.lstrip("-")] for item in seen]
        assert keys == sorted(keys, reverse=sort.startswith("-"))


async def test_search_takes_wildcards_literally(admin: httpx.AsyncClient) -> None:
    """Search finds parts of name and address in any case; % and _ stand for themselves."""
    word = uuid4().hex[:12]
    await create(admin, name=f"{word} 100% Ünal")
    await create(admin, name=f"{word} a_b\\c")

    async def found(q: str) -> list[str]:
        page = (await admin.get(USERS, params={"q": q})).json()
        return [item["name"].removeprefix(word).strip() for item in page["items"]]

    assert await found(f"{word.upper()} 100%") == ["100% Ünal"]
    assert await found(f"{word} 1%") == []
    assert await found(f"{word} a_b\\") == ["a_b\\c"]
    assert await found(f"{word}_") == []
    assert await found("@EXAMPLE.com") != []


async def test_inactive_users_are_filtered(admin: httpx.AsyncClient) -> None:
    """is_active shows only the active, or only the deactivated."""
    word = uuid4().hex[:12]
    kept, gone = await create(admin, name=f"{word} a"), await create(admin, name=f"{word} b")
    await admin.post(f"{USERS}/{gone['id']}/deactivate")
    for value, expected in (("true", kept), ("false", gone)):
        page = (await admin.get(USERS, params={"q": word, "is_active": value})).json()
        assert [item["id"] for item in page["items"]] == [expected["id"]]


def _cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "many"},
        {"sort": "password_hash"},
        {"q": "a\x00b"},
        {"q": "Ada\n"},
        {"q": "x" * 201},
        {"unknown": 1},
        {"cursor": "garbage"},
        {"cursor": "é"},
        {"cursor": _cursor("[]")},
        {"cursor": _cursor("{}")},
        {"cursor": _cursor("[" * 700)},
        {"cursor": _cursor('["name", "x", "no-uuid"]')},
        {"cursor": _cursor(f'["name", "\\u0000", "{NOBODY}"]')},
        {"cursor": _cursor(f'["name", "\\ud800", "{NOBODY}"]')},
        {"cursor": _cursor(f'["-name", "x", "{NOBODY}"]')},
        {"cursor": _cursor(f'["created_at", "yesterday", "{NOBODY}"]'), "sort": "created_at"},
    ],
    ids=str,
)
async def test_nonsense_queries_are_refused(
    admin: httpx.AsyncClient, params: dict[str, Any]
) -> None:
    """A query that makes no sense is refused with 422 that names the parameter."""
    response = await admin.get(USERS, params=params)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] in {f"query.{name}" for name in params}


async def test_no_success_without_commit(own_settings: Settings) -> None:
    """When COMMIT fails the answer is no 2xx, nothing is stored, and the list shows nothing."""
    async with run_api(own_settings) as api:
        connection = await database.connect(own_settings, own_settings.postgres_db)
        await connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE 'no commit today'; END $$"
        )
        await connection.execute(
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW WHEN (NEW.name = 'Refused') EXECUTE FUNCTION refuse()"
        )
        await connection.close()
        async with (await People(api).create("admin")).client() as client:
            response = await client.post(USERS, json=new_user(name="Refused"))
            assert response.status_code == 500
            assert "commit" not in response.text
            assert response.json()["request_id"]
            page = (await client.get(USERS, params={"q": "Refused"})).json()
    assert page["items"] == []


async def test_an_unstored_password_hash_never_matches(
    api: Api, postgres: "asyncpg.Connection"
) -> None:
    """A user without a usable password hash, as the seed makes them, can't sign in."""
    email = f"{uuid4().hex}@example.com"
    await postgres.execute(
        "INSERT INTO users (email, name, password_hash, role_id)"
        " SELECT $1, 'Seeded', '!seed', id FROM roles WHERE name = 'viewer'",
        email,
    )
    async with api.client() as client:
        response = await client.post(
            "/api/v1/auth/login", json={"email": email, "password": PASSWORD}
        )
    assert response.status_code == 401


def test_resources_connect_to_nothing(settings: Settings) -> None:
    """Putting the app together needs no server."""
    Resources(settings.model_copy(update={"postgres_address": "127.0.0.1:1"}))
