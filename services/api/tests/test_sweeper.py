"""Reviving jobs that nobody works on any more."""

from typing import Any

import asyncpg
import httpx2 as httpx
import pytest

from tests.jobs import claim, create_job, set_job
from tests.running import Api

pytestmark = pytest.mark.anyio


async def job_after_sweep(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection", **columns: Any
) -> dict[str, Any]:
    """A job whose lease expired a second ago, after the sweeper looked."""
    job = await create_job(admin)
    await claim(postgres, job["id"], lease="-1 second")
    if columns:
        await set_job(postgres, job["id"], **columns)
    await api.resources.sweeper.sweep()
    body: dict[str, Any] = (await admin.get(f"/api/v1/jobs/{job['id']}")).json()
    return body


async def test_an_expired_lease_queues_the_job_again(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """A running job whose worker vanished is queued again, keeps its attempts, and says why."""
    job = await job_after_sweep(api, admin, postgres)
    assert (job["status"], job["attempts"]) == ("queued", 1)
    assert "worker stopped" in job["error"]


async def test_the_last_attempt_fails_the_job(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """A job whose workers vanished at every attempt fails and says how often."""
    job = await job_after_sweep(api, admin, postgres, attempts=5)
    assert job["status"] == "failed"
    assert "5 times" in job["error"]
    assert job["finished_at"]


async def test_a_cancelled_job_is_not_revived(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """A job that was to be cancelled when its worker vanished is cancelled."""
    job = await job_after_sweep(api, admin, postgres, cancel_requested=True)
    assert job["status"] == "cancelled"
    assert job["finished_at"]


async def test_a_fresh_lease_is_left_alone(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """A job that a worker holds stays with it."""
    job = await create_job(admin)
    await claim(postgres, job["id"])
    await api.resources.sweeper.sweep()
    assert (await admin.get(f"/api/v1/jobs/{job['id']}")).json()["status"] == "running"


@pytest.mark.parametrize(("age", "revived"), [("61 seconds", True), ("30 seconds", False)])
async def test_a_lost_message_is_sent_again(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection", age: str, revived: bool
) -> None:
    """A job that has been queued for a minute without a message gets a new one, not earlier."""
    job = await create_job(admin)
    await postgres.execute("DELETE FROM outbox WHERE job_id = $1", job["id"])
    await postgres.execute(
        "UPDATE jobs SET woken_at = now() - $2::text::interval WHERE id = $1", job["id"], age
    )
    before = await postgres.fetchval("SELECT woken_at FROM jobs WHERE id = $1", job["id"])
    await api.resources.sweeper.sweep()
    after = await postgres.fetchval("SELECT woken_at FROM jobs WHERE id = $1", job["id"])
    assert (after > before) == revived


async def test_messages_are_not_lost_while_jobs_are_claimed(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """A job that waits long behind others gets no second message."""
    job = await create_job(admin)
    await postgres.execute("DELETE FROM outbox WHERE job_id = $1", job["id"])
    await postgres.execute(
        "UPDATE jobs SET woken_at = now() - interval '1 hour' WHERE id = $1", job["id"]
    )
    query = "INSERT INTO job_turns SELECT requested_by, now() FROM jobs WHERE id = $1"
    await postgres.execute(query, job["id"])
    await api.resources.sweeper.sweep()
    age = "SELECT now() - woken_at > interval '1 minute' FROM jobs WHERE id = $1"
    assert await postgres.fetchval(age, job["id"])
    await postgres.execute("DELETE FROM job_turns")
    await postgres.execute("DELETE FROM jobs WHERE id = $1", job["id"])


async def test_old_keys_are_forgotten(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """An Idempotency-Key counts for a week; after that it makes a new job."""
    first = await create_job(admin, "the-key")
    await postgres.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '6 days' WHERE job_id = $1",
        first["id"],
    )
    await api.resources.sweeper.sweep()
    assert (await create_job(admin, "the-key"))["id"] == first["id"]
    await postgres.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '8 days' WHERE job_id = $1",
        first["id"],
    )
    await api.resources.sweeper.sweep()
    assert (await create_job(admin, "the-key"))["id"] != first["id"]
