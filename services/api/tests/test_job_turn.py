"""Whose job is next: priorities and fair turns, as workers see them."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import httpx2 as httpx
import pytest

from app.settings import Settings
from tests import database
from tests.jobs import create_job
from tests.people import People

pytestmark = pytest.mark.anyio


@pytest.fixture
async def own_postgres(own_settings: Settings) -> AsyncIterator["asyncpg.Connection"]:
    """A database without any other job."""
    connection = await database.connect(own_settings, own_settings.postgres_db)
    yield connection
    await connection.close()


async def add_user(connection: "asyncpg.Connection") -> UUID:
    """Somebody who may ask for jobs; returns the id."""
    user: UUID = await connection.fetchval(
        "INSERT INTO users (email, name, password_hash, role_id)"
        " SELECT $1, 'N', 'x', id FROM roles LIMIT 1 RETURNING id",
        f"{uuid4().hex}@example.com",
    )
    return user


async def add_jobs(
    connection: "asyncpg.Connection", user: UUID, count: int = 1, priority: int = 1
) -> None:
    """Jobs of a user, in one statement."""
    await connection.execute(
        "INSERT INTO jobs (type, params, requested_by, priority)"
        " SELECT 'export', '{}', $1, $3 FROM generate_series(1, $2)",
        user,
        count,
        priority,
    )


async def claim(connection: "asyncpg.Connection") -> UUID | None:
    """What a worker gets; who asked for it."""
    user: UUID | None = await connection.fetchval(
        "SELECT requested_by FROM claim_job(gen_random_uuid(), 60)"
    )
    return user


async def test_a_thousand_jobs_make_nobody_wait(own_postgres: "asyncpg.Connection") -> None:
    """Behind one user's 1,000 exports, another's is the next or the one after."""
    many, one = await add_user(own_postgres), await add_user(own_postgres)
    await add_jobs(own_postgres, many, 1000)
    assert await claim(own_postgres) == many
    await add_jobs(own_postgres, one)
    assert one in {await claim(own_postgres), await claim(own_postgres)}


async def test_users_take_turns(own_postgres: "asyncpg.Connection") -> None:
    """Three users with many jobs each are served evenly, whoever asked first."""
    users = [await add_user(own_postgres) for _ in range(3)]
    for user in users:
        await add_jobs(own_postgres, user, 20)
    served = [await claim(own_postgres) for _ in range(12)]
    assert {user: served.count(user) for user in users} == dict.fromkeys(users, 4)
    assert all(len(set(served[turn : turn + 3])) == 3 for turn in range(10))


async def test_priorities_go_first(own_postgres: "asyncpg.Connection") -> None:
    """High goes before normal and normal before low, whoever waits longer."""
    low, normal, high = [await add_user(own_postgres) for _ in range(3)]
    for user, priority in ((low, 0), (normal, 1), (high, 2)):
        await add_jobs(own_postgres, user, 2, priority)
    served = [await claim(own_postgres) for _ in range(7)]
    assert served == [high, high, normal, normal, low, low, None]


async def test_two_at_once_get_two_jobs(
    own_settings: Settings, own_postgres: "asyncpg.Connection"
) -> None:
    """A worker that claims while another has not committed gets the next job at once."""
    user = await add_user(own_postgres)
    await add_jobs(own_postgres, user, 2)
    other = await database.connect(own_settings, own_settings.postgres_db)
    locked = await other.fetchval("SELECT id FROM jobs ORDER BY enqueued_at, id LIMIT 1")
    async with other.transaction():
        await other.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", locked)
        assert await claim(own_postgres) == user
        assert await claim(own_postgres) is None
    assert await claim(own_postgres) == user
    await other.close()


async def test_a_job_that_is_not_due_waits(own_postgres: "asyncpg.Connection") -> None:
    """A job that is to be tried later is nobody's turn before that."""
    user = await add_user(own_postgres)
    await add_jobs(own_postgres, user)
    await own_postgres.execute("UPDATE jobs SET enqueued_at = now() + interval '1 hour'")
    assert await claim(own_postgres) is None
    await own_postgres.execute("UPDATE jobs SET enqueued_at = now()")
    assert await claim(own_postgres) == user


async def test_the_next_of_many_is_found_by_indexes(own_postgres: "asyncpg.Connection") -> None:
    """With 20,000 jobs of 100 users a claim reads a few hundred pages, not the table."""
    await own_postgres.execute(
        "WITH made AS (INSERT INTO users (email, name, password_hash, role_id)"
        " SELECT n || '@many.example', 'N', 'x', (SELECT id FROM roles LIMIT 1)"
        " FROM generate_series(1, 100) n RETURNING id)"
        " INSERT INTO jobs (type, params, requested_by)"
        " SELECT 'export', '{}', id FROM made, generate_series(1, 200)"
    )
    plan = await own_postgres.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT claim_job(gen_random_uuid(), 60)"
    )
    pages = int(plan.split('"Shared Hit Blocks": ')[1].split(",")[0])
    assert pages < 2000


async def test_only_those_who_may_ask_for_a_high_priority(
    people: People, admin: httpx.AsyncClient
) -> None:
    """A priority is told by the job; `high` is for those who manage jobs."""
    assert (await create_job(admin))["priority"] == "normal"
    assert (await create_job(admin, priority="high"))["priority"] == "high"
    async with (await people.create("manager")).client() as manager:
        assert (await create_job(manager, priority="low"))["priority"] == "low"
        body = {"type": "users", "priority": "high"}
        assert (await manager.post("/api/v1/export", json=body)).status_code == 403
        body["priority"] = "at once"
        assert (await manager.post("/api/v1/export", json=body)).status_code == 422
