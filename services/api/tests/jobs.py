"""Jobs of the tests, and the worker's part in their lives."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx2 as httpx


async def create_job(
    client: httpx.AsyncClient, key: str | None = None, **params: str
) -> dict[str, Any]:
    """Ask for an export through the API."""
    headers = {"Idempotency-Key": key} if key else {}
    response = await client.post(
        "/api/v1/export", json={"type": "users", **params}, headers=headers
    )
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    return job


async def set_job(connection: "asyncpg.Connection", job_id: str, **columns: Any) -> None:
    """Write columns of a job, as a worker would."""
    names = list(columns)
    assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(names, start=2))
    values = [columns[name] for name in names]
    await connection.execute(f"UPDATE jobs SET {assignments} WHERE id = $1", UUID(job_id), *values)  # noqa: S608 - names of columns from this file


async def claim(connection: "asyncpg.Connection", job_id: str, lease: str = "15 seconds") -> None:
    """Claim a job, as a worker would."""
    await connection.execute(
        "UPDATE jobs SET status = 'running', attempts = attempts + 1,"
        " lease_token = gen_random_uuid(), lease_expires_at = now() + $2::text::interval,"
        " started_at = coalesce(started_at, now())"
        " WHERE id = $1",
        UUID(job_id),
        lease,
    )


async def finish(connection: "asyncpg.Connection", job_id: str, key: str) -> None:
    """Succeed, as a worker would, with the object `key`."""
    result = (
        f'{{"key":"{key}","filename":"users.csv.gz","content_type":"application/gzip",'
        '"rows":3,"bytes":42}'
    )
    await connection.execute(
        "UPDATE jobs SET status = 'succeeded', result = $2::text::jsonb, finished_at = now(),"
        " expires_at = now() + make_interval(days => result_days)"
        " WHERE id = $1",
        UUID(job_id),
        result,
    )


async def fail(connection: "asyncpg.Connection", job_id: str, error: str = "no luck") -> None:
    """Fail for good, as a worker would."""
    await set_job(
        connection, job_id, status="failed", error=error, attempts=5, finished_at=datetime.now(UTC)
    )
