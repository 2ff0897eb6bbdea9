"""States of a job, and what moves it from one to another.

PostgreSQL carries out what workers do (see the functions in migration 0003), the API the rest.
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


class JobEvent(StrEnum):
    """What happens to a job."""

    CLAIM = "a worker claims it"
    SUCCEED = "the work is done"
    FAIL = "an attempt fails"
    PUT_BACK = "the worker stops in order"
    EXPIRE = "the lease expires"
    CANCEL = "a user cancels it"
    CONFIRM_CANCEL = "the worker sees the wish to cancel"
    RETRY = "a user retries it"
    DISCARD = "a user discards it"


class JobPriority(StrEnum):
    """Which jobs go first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def level(self) -> int:
        """What the table holds: more goes first."""
        return list(JobPriority).index(self)

    @classmethod
    def of(cls, level: int) -> "JobPriority":
        """The priority that the table holds as `level`."""
        return list(cls)[level]


# What may become of a job. Where there are several, PostgreSQL decides: an attempt that ended
# without success is queued again while attempts are left, unless the job was to be cancelled.
TRANSITIONS: dict[tuple[JobStatus, JobEvent], frozenset[JobStatus]] = {
    (JobStatus.QUEUED, JobEvent.CLAIM): frozenset({JobStatus.RUNNING}),
    (JobStatus.QUEUED, JobEvent.CANCEL): frozenset({JobStatus.CANCELLED}),
    (JobStatus.RUNNING, JobEvent.CANCEL): frozenset({JobStatus.RUNNING}),
    (JobStatus.RUNNING, JobEvent.SUCCEED): frozenset({JobStatus.SUCCEEDED}),
    (JobStatus.RUNNING, JobEvent.FAIL): frozenset(
        {JobStatus.QUEUED, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    (JobStatus.RUNNING, JobEvent.EXPIRE): frozenset(
        {JobStatus.QUEUED, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    (JobStatus.RUNNING, JobEvent.PUT_BACK): frozenset({JobStatus.QUEUED, JobStatus.CANCELLED}),
    (JobStatus.RUNNING, JobEvent.CONFIRM_CANCEL): frozenset({JobStatus.CANCELLED}),
    (JobStatus.FAILED, JobEvent.RETRY): frozenset({JobStatus.QUEUED}),
    (JobStatus.CANCELLED, JobEvent.RETRY): frozenset({JobStatus.QUEUED}),
    (JobStatus.FAILED, JobEvent.DISCARD): frozenset({JobStatus.FAILED}),
}


def allows(status: str, event: JobEvent) -> bool:
    """Whether `event` may happen to a job with that status."""
    return (JobStatus(status), event) in TRANSITIONS


def may_see(user_id: UUID, permissions: Collection[str], requested_by: UUID) -> bool:
    """Whether a user may see a job: their own with job:read, everybody's with job:read_all."""
    if Permission.JOB_READ not in permissions:
        return False
    return requested_by == user_id or Permission.JOB_READ_ALL in permissions


def may_manage(user_id: UUID, permissions: Collection[str], requested_by: UUID) -> bool:
    """Whether a user may replay a job: one that they see, or anybody's with job:manage."""
    if Permission.JOB_MANAGE in permissions:
        return True
    return may_see(user_id, permissions, requested_by)
