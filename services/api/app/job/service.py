"""Use cases of jobs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.sessions import Principal
from app.core.errors import ConflictError, NotFoundError
from app.job.domain import CANCELLABLE, RETRYABLE, JobStatus, may_see
from app.job.models import Job
from app.job.repository import JobRepository
from app.job.schemas import Download, JobOut, JobPage, JobQuery
from app.resources import Resources
from app.role.domain import Permission

URL_TTL = timedelta(minutes=5)


class JobService:
    """What may be done with jobs."""

    def __init__(self, session: AsyncSession) -> None:
        self._jobs = JobRepository(session)

    async def list(self, principal: Principal, query: JobQuery) -> JobPage:
        """A page of the jobs that the principal may see, newest first."""
        all_jobs = Permission.JOB_READ_ALL in principal.permissions
        jobs, cursor = await self._jobs.page(query, None if all_jobs else principal.id)
        return JobPage(items=[JobOut.from_row(job) for job in jobs], next_cursor=cursor)

    async def get(self, principal: Principal, job_id: UUID) -> JobOut:
        """One job; NotFoundError unless the principal may see it."""
        return JobOut.from_row(await self._find(principal, job_id))

    async def cancel(self, principal: Principal, job_id: UUID) -> JobOut:
        """Stop a job; ConflictError once it has ended. Cancelling twice is harmless."""
        job = await self._find(principal, job_id, for_update=True)
        if job.status not in CANCELLABLE:
            raise ConflictError(f"A job that is {job.status} can't be cancelled.", "job_state")
        if job.status == JobStatus.QUEUED:
            await self._jobs.cancel_queued(job)
        else:
            await self._jobs.request_cancel(job)
        return JobOut.from_row(job)

    async def retry(self, principal: Principal, job_id: UUID) -> JobOut:
        """Start a failed or cancelled job over; else ConflictError."""
        job = await self._find(principal, job_id, for_update=True)
        if job.status not in RETRYABLE:
            raise ConflictError(f"A job that is {job.status} can't be retried.", "job_state")
        await self._jobs.requeue(job)
        return JobOut.from_row(job)

    async def _find(self, principal: Principal, job_id: UUID, *, for_update: bool = False) -> Job:
        return _visible(principal, await self._jobs.find(job_id, for_update=for_update))


async def download(resources: Resources, principal: Principal, job_id: UUID) -> Download:
    """A URL of the file that a job made; ConflictError while there is none.

    Holds no database connection while the storage is asked.
    """
    async with resources.database.transaction() as session:
        job = _visible(principal, await JobRepository(session).find(job_id))
    if job.status != JobStatus.SUCCEEDED or not job.result:
        raise ConflictError("The file is not ready.", "job_not_ready")
    expires_at = datetime.now(UTC) + URL_TTL
    url = await resources.storage.presign(job.result["key"], URL_TTL)
    return Download(url=url, expires_at=expires_at)


def _visible(principal: Principal, job: Job | None) -> Job:
    if job is None or not may_see(principal.id, principal.permissions, job.requested_by):
        raise NotFoundError("There is no such job.", "job_not_found")
    return job
