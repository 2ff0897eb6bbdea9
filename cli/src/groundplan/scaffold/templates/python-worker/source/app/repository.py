"""All SQL on `jobs`.

States of a job, as far as the worker moves them. PostgreSQL is the truth.

| from                           | to        | by      | when                                    |
| ------------------------------ | --------- | ------- | --------------------------------------- |
| queued, or running and expired | running   | claim   | attempts are left; attempts + 1         |
| running                        | running   | extend  | the lease is held; says how far it is   |
| running                        | succeeded | succeed | the handler returned                    |
| running                        | cancelled | cancel  | the handler ended on a cancel request   |
| running                        | queued    | requeue | the attempt failed, or the worker stops |
| running, cancel requested      | cancelled | requeue | as above                                |
| running                        | failed    | fail    | the last attempt or permanently failed  |

Every change but the claim is fenced: it holds only while `lease_token` is the claim's own. All
return False, and change nothing, once another worker or the sweeper has taken the job.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from app.broker import ROUTING_KEY
from app.database import Database
from app.job import JobResult, Progress

CLAIM = """
    UPDATE jobs SET status = 'running', attempts = attempts + 1,
        lease_token = gen_random_uuid(), lease_expires_at = now() + make_interval(secs => $2),
        started_at = coalesce(started_at, now()), progress_done = 0, error = NULL
    WHERE id = $1 AND attempts < max_attempts
        AND (status = 'queued' OR (status = 'running' AND lease_expires_at < now()))
    RETURNING id, type, params, attempts, max_attempts, cancel_requested, lease_token
"""
EXTEND = """
    UPDATE jobs SET lease_expires_at = now() + make_interval(secs => $3),
        progress_done = $4, progress_total = $5
    WHERE id = $1 AND lease_token = $2 AND status = 'running'
    RETURNING cancel_requested
"""
# May be repeated after a lost answer, so it keeps the token and accepts its own success.
SUCCEED = """
    UPDATE jobs SET status = 'succeeded', result = $3, progress_done = $4, progress_total = $5,
        error = NULL, lease_expires_at = NULL, finished_at = coalesce(finished_at, now())
    WHERE id = $1 AND lease_token = $2 AND status IN ('running', 'succeeded')
    RETURNING id
"""
END = """
    UPDATE jobs SET status = $3, error = $4, finished_at = now(),
        lease_token = NULL, lease_expires_at = NULL
    WHERE id = $1 AND lease_token = $2 AND status = 'running'
    RETURNING id
"""
REQUEUE = """
    WITH job AS (
        UPDATE jobs SET error = $3, lease_token = NULL, lease_expires_at = NULL,
            status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
            finished_at = CASE WHEN cancel_requested THEN now() END,
            attempts = attempts - CASE WHEN $3::text IS NULL THEN 1 ELSE 0 END,
            enqueued_at = now() + make_interval(secs => $4)
        WHERE id = $1 AND lease_token = $2 AND status = 'running'
        RETURNING id, type, status, enqueued_at
    ), message AS (
        INSERT INTO outbox (job_id, routing_key, message, headers, available_at)
        SELECT id, $5, jsonb_build_object('job_id', id, 'type', type), $6, enqueued_at
        FROM job WHERE status = 'queued'
    )
    SELECT id FROM job
"""


@dataclass(frozen=True)
class Claim:
    """A job that this worker holds until its lease ends."""

    id: UUID
    type: str
    params: dict[str, Any]
    attempt: int
    max_attempts: int
    cancel_requested: bool
    lease_token: UUID


class JobRepository:
    """The changes of a job; each is one statement."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds

    async def claim(self, job_id: UUID) -> Claim | None:
        """None where the job is gone, finished, out of attempts or leased by another worker."""
        row = await self._database.fetchrow(CLAIM, job_id, self._lease_seconds)
        if row is None:
            return None
        return Claim(
            id=row["id"],
            type=row["type"],
            params=json.loads(row["params"]),
            attempt=row["attempts"],
            max_attempts=row["max_attempts"],
            cancel_requested=row["cancel_requested"],
            lease_token=row["lease_token"],
        )

    async def extend(
        self, claim: Claim, progress: Progress
    ) -> Literal["held", "cancelled", "lost"]:
        """Extend the lease and write the progress; also tells whether a cancel was requested."""
        row = await self._database.fetchrow(
            EXTEND, claim.id, claim.lease_token, self._lease_seconds, progress.done, progress.total
        )
        if row is None:
            return "lost"
        return "cancelled" if row["cancel_requested"] else "held"

    async def succeed(self, claim: Claim, result: JobResult | None, progress: Progress) -> bool:
        """Record the result."""
        value = None if result is None else json.dumps(result)
        return await self._change(SUCCEED, claim, value, progress.done, progress.total)

    async def fail(self, claim: Claim, error: str) -> bool:
        """Give the job up, with words for people."""
        return await self._change(END, claim, "failed", error)

    async def cancel(self, claim: Claim) -> bool:
        """End the job as its cancel request wants."""
        return await self._change(END, claim, "cancelled", None)

    async def requeue(
        self, claim: Claim, error: str | None, delay_s: float, headers: dict[str, str]
    ) -> bool:
        """Put the job back, its message due after `delay_s`; without an error no attempt counts."""
        return await self._change(REQUEUE, claim, error, delay_s, ROUTING_KEY, json.dumps(headers))

    async def _change(self, sql: str, claim: Claim, *values: object) -> bool:
        row = await self._database.fetchrow(sql, claim.id, claim.lease_token, *values)
        return row is not None
