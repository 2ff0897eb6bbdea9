"""Bodies and queries of the job routes."""

from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.core.pagination import CursorText, Limit
from app.export.schemas import ExportParams
from app.job.domain import JobPriority, JobStatus
from app.job.models import Job


class JobProgress(BaseModel):
    """Rows done and to do; `total` is null while nobody knows."""

    done: int
    total: int | None


class JobResult(BaseModel):
    """The file that a job made."""

    filename: str
    content_type: str
    rows: int
    bytes: int


class JobOut(BaseModel):
    """A job."""

    id: UUID
    type: str
    params: ExportParams
    status: JobStatus
    priority: JobPriority
    progress: JobProgress
    attempts: int
    cancel_requested: bool
    error: str | None = Field(description="Why the last attempt failed")
    result: JobResult | None
    expires_at: datetime | None = Field(description="When the file is deleted")
    expired: bool = Field(description="The file is gone")
    requested_by: UUID
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, job: Job) -> Self:
        """Build it from a row of the table."""
        return cls(
            id=job.id,
            type=job.type,
            # Not validated: a row that another version wrote must not break the list.
            params=ExportParams.model_construct(**job.params),
            status=JobStatus(job.status),
            priority=JobPriority.of(job.priority),
            progress=JobProgress(done=job.progress_done, total=job.progress_total),
            attempts=job.attempts,
            cancel_requested=job.cancel_requested,
            error=job.error,
            result=JobResult.model_validate(job.result) if job.result else None,
            expires_at=job.expires_at,
            expired=is_expired(job),
            requested_by=job.requested_by,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
        )


def is_expired(job: Job) -> bool:
    """Whether the file of a job is gone, or about to be deleted."""
    return job.expires_at is not None and job.expires_at <= datetime.now(UTC)


class JobPage(BaseModel):
    """One page of jobs, newest first."""

    items: list[JobOut]
    next_cursor: str | None


class JobQuery(BaseModel):
    """What a list of jobs is asked for."""

    model_config = ConfigDict(extra="forbid")

    status: JobStatus | None = None
    dead: bool | None = Field(
        default=None, description="Jobs that failed for good and were not discarded, everybody's"
    )
    limit: Limit = 50
    cursor: CursorText = None


class Download(BaseModel):
    """Where the file is."""

    url: str
    expires_at: datetime
