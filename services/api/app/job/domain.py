"""States of a job.

| from              | event                                     | to        |
|-------------------|-------------------------------------------|-----------|
| queued            | a worker claims it                        | running   |
| queued            | a user cancels it                         | cancelled |
| running           | the work is done                          | succeeded |
| running           | an attempt fails, or its lease expires    | queued    |
| running           | the last attempt fails, or its lease does | failed    |
| running           | the worker sees the wish to cancel        | cancelled |
| failed, cancelled | a user retries it                         | queued    |
"""

from collections.abc import Collection
from enum import StrEnum
from uuid import UUID

from app.role.domain import Permission


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


CANCELLABLE = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})
RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})


def may_see(user_id: UUID, permissions: Collection[str], requested_by: UUID) -> bool:
    """Whether a user may see a job: their own with job:read, everybody's with job:read_all."""
    if Permission.JOB_READ not in permissions:
        return False
    return requested_by == user_id or Permission.JOB_READ_ALL in permissions
