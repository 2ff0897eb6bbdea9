"""What the worker does to jobs: it calls functions of PostgreSQL, which hold the rules.

Every call but the claim is fenced: it holds only while `token` is the one of the last claim. Else
it changes nothing: another worker or the sweeper has taken the job.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from app.database import Database
from app.job import JobResult, Progress

CLAIM = "SELECT id, type, params, headers, attempts, claims FROM claim_job($1, $2)"


@dataclass(frozen=True)
class Claim:
    """A job that this worker holds until its lease ends."""

    id: UUID
    type: str
    params: dict[str, Any]
    headers: dict[str, str]
    """Trace context of the request that asked for the job."""
    attempt: int
    number: int
    """Larger in each claim of the job, even where an attempt is not counted."""
    token: UUID


class JobRepository:
    """The changes of a job; each is one call."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds

    async def claim(self, token: UUID) -> Claim | None:
        """The job whose turn it is, if one is due; the same one again for the same token."""
        row = await self._database.fetchrow(CLAIM, token, self._lease_seconds)
        if row is None:
            return None
        return Claim(
            id=row["id"],
            type=row["type"],
            params=json.loads(row["params"]),
            headers=json.loads(row["headers"]),
            attempt=row["attempts"],
            number=row["claims"],
            token=token,
        )

    async def extend(self, claim: Claim, progress: Progress) -> Literal["held", "cancel", "lost"]:
        """Extend the lease and write the progress; also tells whether a cancel was requested."""
        call = "extend_job($1, $2, $3, $4, $5)"
        values = (self._lease_seconds, progress.done, progress.total)
        answer: Literal["held", "cancel", "lost"] = await self._call(call, claim, *values)
        return answer

    async def succeed(self, claim: Claim, result: JobResult | None, progress: Progress) -> bool:
        """Record the result."""
        value = None if result is None else json.dumps(result)
        call = "succeed_job($1, $2, $3, $4, $5)"
        return bool(await self._call(call, claim, value, progress.done, progress.total))

    async def fail(self, claim: Claim, reason: str, *, permanent: bool) -> str | None:
        """Queue the job again with backoff, or end it if attempts are used up; returns its status.

        None where another worker has the job.
        """
        status: str | None = await self._call("fail_job($1, $2, $3, $4)", claim, reason, permanent)
        return status

    async def cancel(self, claim: Claim) -> bool:
        """End the job as its cancel request wants."""
        return bool(await self._call("cancel_job($1, $2)", claim))

    async def put_back(self, claim: Claim) -> str | None:
        """Queue the job again; the attempt does not count."""
        status: str | None = await self._call("put_back_job($1, $2)", claim)
        return status

    async def _call(self, call: str, claim: Claim, *values: object) -> Any:  # noqa: ANN401 - a value of PostgreSQL
        row = await self._database.fetchrow(f"SELECT {call}", claim.id, claim.token, *values)
        return row[0] if row else None
