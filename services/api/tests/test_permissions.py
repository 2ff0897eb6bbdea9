"""Least privilege: what the users of the services may not do, and that they need no more."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2 as httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.database import connect_arguments
from app.logins import API_ROLE, WORKER_ROLE
from app.migrate import main, migrate
from app.settings import DatabaseSettings, Settings
from tests import database, servers
from tests.jobs import create_job
from tests.people import PASSWORD, People
from tests.process import run
from tests.running import http_client, run_api
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
SECRET = "a-password-of-a-test-user"

# What the API's user of Redis may do in production, with keys of its prefix.
REDIS_RULES = (
    "resetchannels -@all +hello +auth +ping +multi +exec +get +set +mget +del +expire +hset +hget"
    " +hmget +zadd +zrange +zremrangebyscore"
    " +time +lindex +llen +lpush +rpop +scan +eval +evalsha +script|load"
)


async def connect(settings: DatabaseSettings, role: str = "", **changes: Any) -> Any:
    """A plain connection with the grants of a role."""
    return await asyncpg.connect(**{**connect_arguments(settings, role), **changes})


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (WORKER_ROLE, "SELECT password_hash FROM users"),
        (WORKER_ROLE, "SELECT * FROM users"),
        (WORKER_ROLE, "SELECT permissions FROM roles"),
        (WORKER_ROLE, "UPDATE users SET is_active = false"),
        (WORKER_ROLE, "DELETE FROM users"),
        (WORKER_ROLE, "INSERT INTO jobs (type, params) VALUES ('export', '{}')"),
        (WORKER_ROLE, "SELECT id FROM jobs"),
        (WORKER_ROLE, "UPDATE jobs SET progress_done = 1"),
        (WORKER_ROLE, "SELECT * FROM outbox"),
        (WORKER_ROLE, "INSERT INTO outbox (routing_key, message) VALUES ('jobs', '{}')"),
        (WORKER_ROLE, "SELECT sweep_jobs()"),
        (WORKER_ROLE, "SELECT lock_next_job()"),
        (WORKER_ROLE, "SELECT * FROM idempotency_keys"),
        (WORKER_ROLE, "CREATE TABLE mine (id int)"),
        (API_ROLE, "DELETE FROM users"),
        (API_ROLE, "DELETE FROM jobs"),
        (API_ROLE, "TRUNCATE users CASCADE"),
        (API_ROLE, "UPDATE alembic_version SET version_num = 'x'"),
        (API_ROLE, "SELECT copied_rows(1)"),
        (API_ROLE, "SELECT claim_job(gen_random_uuid(), 1)"),
        (API_ROLE, "DELETE FROM job_turns"),
        (API_ROLE, "CREATE TABLE mine (id int)"),
        (API_ROLE, "COPY users TO PROGRAM 'true'"),
        (API_ROLE, "SELECT rolpassword FROM pg_authid"),
    ],
)
async def test_roles_are_refused(settings: Settings, role: str, statement: str) -> None:
    """PostgreSQL refuses each role what its service does not need."""
    connection = await connect(settings, role)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def new_logins(settings: Settings, **changes: str) -> AsyncIterator[dict[str, str]]:
    """Names of logins that are dropped afterwards, with their passwords."""
    suffix = uuid4().hex[:8]
    names = {
        "api_postgres_user": f"api_{suffix}",
        "api_postgres_password": SECRET,
        "worker_postgres_user": f"worker_{suffix}",
        "worker_postgres_password": SECRET,
    }
    try:
        yield {**names, **changes}
    finally:
        users = ", ".join(f"{name}_{suffix}" for name in ("api", "worker"))
        await database.run_as_owner(settings, f"DROP ROLE IF EXISTS {users}")


async def test_the_api_works_with_a_login_of_its_own(own_settings: Settings) -> None:
    """With the login that migrate makes, signing in, listing, exporting and reading jobs work."""
    async with new_logins(own_settings) as logins:
        migration = database.migration_of(own_settings, **logins)
        await migrate(migration)
        changes = {
            "postgres_user": migration.api_postgres_user,
            "postgres_password": migration.api_postgres_password,
            "postgres_role": API_ROLE,
        }
        await _journey(own_settings.model_copy(update=changes))


async def _journey(settings: Settings) -> None:
    async with run_api(settings) as api, await _signed_in(api.url, People(api)) as client:
        listed = [await client.get("/api/v1/users") for _ in range(2)]
        assert [page.headers["cache-status"] for page in listed] == [
            "groundplan; fwd=miss", "groundplan; hit",
        ]  # fmt: skip
        job = await create_job(client, key="once")
        assert (await create_job(client, key="once"))["id"] == job["id"]
        assert (await client.get("/api/v1/jobs")).json()["items"][0]["id"] == job["id"]
        assert (await client.post(f"/api/v1/jobs/{job['id']}/cancel")).status_code == 200
        ready = await eventually(lambda: _all_ready(client))
        assert ready
        assert (await client.post("/api/v1/auth/logout")).status_code in {200, 204}


async def _signed_in(url: str, people: People) -> httpx.AsyncClient:
    tokens = await (await people.create("admin")).login()
    async with http_client(url) as client:
        refreshed = await client.post(
            "/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
        )
    return http_client(url, refreshed.json()["access_token"])


async def _all_ready(client: httpx.AsyncClient) -> bool:
    return bool((await client.get("/readyz")).json()["status"] == "ok")


async def test_logins_are_made_and_renewed(own_settings: Settings) -> None:
    """A second run gives a new password, another name is added, and the old login stays."""
    async with new_logins(own_settings) as first, new_logins(own_settings) as second:
        await migrate(database.migration_of(own_settings, **first))
        renewed = {**first, "api_postgres_password": f"{SECRET}-2"}
        await migrate(database.migration_of(own_settings, **renewed))
        await migrate(database.migration_of(own_settings, **second))
        for user, password in (
            (first["api_postgres_user"], f"{SECRET}-2"),
            (second["api_postgres_user"], SECRET),
        ):
            connection = await connect(own_settings, API_ROLE, user=user, password=password)
            assert await connection.fetchval("SELECT count(*) FROM users") == 1
            await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await connect(own_settings, user=first["api_postgres_user"], password=SECRET)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connect(
                own_settings, API_ROLE, user=first["worker_postgres_user"], password=SECRET
            )


async def test_a_login_is_weak(own_settings: Settings) -> None:
    """A login has a limit of connections and no powers, and PostgreSQL keeps a verifier only."""
    async with new_logins(own_settings) as logins:
        await migrate(database.migration_of(own_settings, **logins))
        connection = await connect(own_settings)
        row = await connection.fetchrow(
            "SELECT * FROM pg_authid WHERE rolname = $1", logins["worker_postgres_user"]
        )
        await connection.close()
    assert row["rolcanlogin"]
    powers = ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls")
    assert not any(row[power] for power in powers)
    assert 0 < row["rolconnlimit"] < 100
    assert row["rolpassword"].startswith("SCRAM-SHA-256$4096:")


async def test_a_role_of_others_is_no_login(
    own_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A role that is there and no member of the group is refused, and stays as it was."""
    async with new_logins(own_settings) as logins:
        user = logins["api_postgres_user"]
        await database.run_as_owner(own_settings, f"CREATE ROLE {user}")
        wrong = database.migration_of(own_settings, **logins)
        monkeypatch.setattr("app.migrate.settings_or_exit", lambda: wrong)
        assert await asyncio.to_thread(main) == 1
        error = capsys.readouterr().err
        assert f"{user} exists and is no member of {API_ROLE}" in error
        assert SECRET not in error


async def test_strangers_may_not_connect(settings: Settings) -> None:
    """A user who is no member of the roles can't even connect to a migrated database."""
    name, user = database.new_name(), f"stranger_{uuid4().hex[:8]}"
    await database.run_as_owner(
        settings, f"CREATE DATABASE {name}", f"CREATE ROLE {user} LOGIN PASSWORD '{SECRET}'"
    )
    try:
        await migrate(database.migration_of(settings, postgres_db=name))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connect(settings, user=user, password=SECRET, database=name)
    finally:
        await database.drop(settings, name)
        await database.run_as_owner(settings, f"DROP ROLE {user}")


async def test_the_migration_can_be_taken_back(own_settings: Settings) -> None:
    """Down to the first schema and up again: the grants are gone, and there as before."""
    status, out = await run(own_settings, "alembic", "downgrade", "0001")
    assert status == 0, out
    connection = await connect(own_settings, WORKER_ROLE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT id FROM users")
    status, out = await run(own_settings, "alembic", "upgrade", "head")
    assert status == 0, out
    await connection.execute("SELECT id FROM users")
    await connection.close()


@pytest.fixture
async def redis_user(own_settings: Settings) -> AsyncIterator[Settings]:
    """Settings with a user of Redis that may do what the API's user may do in production."""
    user = f"api_{uuid4().hex[:8]}"
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    async with servers.redis_client(own_settings) as redis:
        await ask(
            redis, f"ACL SETUSER {user} on #{digest} ~{own_settings.redis_prefix}*", REDIS_RULES
        )
        await redis.acl_log_reset()
        secret = type(own_settings.redis_password)(SECRET)
        yield own_settings.model_copy(update={"redis_user": user, "redis_password": secret})
        await redis.acl_deluser(user)


async def test_the_api_works_with_its_user_of_redis(
    own_settings: Settings, redis_user: Settings
) -> None:
    """With the rules of production every journey works and Redis refuses nothing."""
    limited = redis_user.model_copy(update={"rate_limit_login": "2/minute"})
    await _journey(redis_user)
    async with run_api(limited) as api:
        person = await People(api).create("viewer")
        async with api.client() as client:
            body = {"email": person.email, "password": PASSWORD}
            answers = [await client.post("/api/v1/auth/login", json=body) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
    async with servers.redis_client(own_settings) as redis:
        log = await redis.acl_log()
    assert [entry for entry in log if redis_user.redis_user in repr(entry)] == []


async def ask(redis: Redis, *words: str) -> None:
    """Send a command."""
    await redis.execute_command(*" ".join(words).split())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL", "KEYS *", "CONFIG GET *", "GET another:key", "SUBSCRIBE x", "PUBLISH x y",
        "ACL LIST", "SHUTDOWN", "CLIENT LIST", "SCRIPT FLUSH", "FUNCTION LIST", "MONITOR",
        "EVAL return(redis.call('GET','another:key')) 0", "EVAL return(redis.call('FLUSHALL')) 0",
    ],
)  # fmt: skip
async def test_redis_refuses(redis_user: Settings, command: str) -> None:
    """Keys of others, and commands that look around or destroy, are not for the API."""
    async with servers.redis_client(redis_user) as redis:
        with pytest.raises(ResponseError, match=r"(?i)permission|can't|cannot"):
            await ask(redis, command)
