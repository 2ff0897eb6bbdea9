"""Use cases of jobs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import service as audit
from app.audit.domain import Event
from app.auth.sessions import Principal
from app.core.errors import ConflictError, ForbiddenError, GoneError, NotFoundError
from app.job.domain import JobEvent, JobStatus, allows, may_manage, may_see
from app.job.models import Job
from app.job.repository import JobRepository
from app.job.schemas import Download, JobOut, JobPage, JobQuery, is_expired
from app.resources import Resources
from app.role.domain import Permission

URL_TTL = timedelta(minutes=5)


class JobService:
    """What may be done with jobs."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._jobs = JobRepository(session)

    async def list(self, principal: Principal, query: JobQuery) -> JobPage:
        """A page of the jobs that the principal may see, newest first.

        Raises ForbiddenError where dead ones are asked for without job:manage.
        """
        if query.dead and Permission.JOB_MANAGE not in principal.permissions:
            raise ForbiddenError(f"You need the permission {Permission.JOB_MANAGE}.")
        sees_all = bool(query.dead) or Permission.JOB_READ_ALL in principal.permissions
        jobs, cursor = await self._jobs.page(query, None if sees_all else principal.id)
        return JobPage(items=[JobOut.from_row(job) for job in jobs], next_cursor=cursor)

    async def get(self, principal: Principal, job_id: UUID) -> JobOut:
        """One job; NotFoundError unless the principal may see it."""
        return JobOut.from_row(await self._find(principal, job_id))

    async def cancel(self, principal: Principal, job_id: UUID) -> JobOut:
        """Stop a job; ConflictError once it has ended. Cancelling twice is harmless."""
        job = await self._find(principal, job_id, for_update=True)
        _check(job, JobEvent.CANCEL)
        if job.status == JobStatus.QUEUED:
            await self._jobs.cancel_queued(job)
        else:
            await self._jobs.request_cancel(job)
        return JobOut.from_row(job)

    async def retry(self, principal: Principal, job_id: UUID) -> JobOut:
        """Start a failed or cancelled job over; else ConflictError."""
        job = await self._jobs.find(job_id, for_update=True)
        if job is None or not may_manage(principal.id, principal.permissions, job.requested_by):
            raise _no_such_job()
        _check(job, JobEvent.RETRY)
        await self._jobs.requeue(job)
        self._record(Event.JOB_REPLAYED, principal, job)
        return JobOut.from_row(job)

    async def discard(self, principal: Principal, job_id: UUID) -> None:
        """No longer count a failed job among the dead; else ConflictError. Twice is harmless."""
        job = await self._jobs.find(job_id, for_update=True)
        if job is None:
            raise _no_such_job()
        _check(job, JobEvent.DISCARD)
        await self._jobs.discard(job)
        self._record(Event.JOB_DISCARDED, principal, job)

    def _record(self, event: Event, actor: Principal, job: Job) -> None:
        """What somebody does to another's job is in the audit log."""
        if job.requested_by != actor.id:
            audit.record(
                self._session, event, actor.id, ("job", job.id), owner=str(job.requested_by)
            )

    async def _find(self, principal: Principal, job_id: UUID, *, for_update: bool = False) -> Job:
        return _visible(principal, await self._jobs.find(job_id, for_update=for_update))


async def download(resources: Resources, principal: Principal, job_id: UUID) -> Download:
    """A URL of the file that a job made; ConflictError while there is none, GoneError afterwards.

    Holds no database connection while the storage is asked.
    """
    async with resources.database.transaction() as session:
        job = _visible(principal, await JobRepository(session).find(job_id))
    if job.status != JobStatus.SUCCEEDED or not job.result:
        raise ConflictError("The file is not ready.", "job_not_ready")
    if is_expired(job):
        raise GoneError("The file was deleted. Export it again.", "file_expired")
    expires_at = datetime.now(UTC) + URL_TTL
    url = await resources.storage.presign(job.result["key"], URL_TTL)
    return Download(url=url, expires_at=expires_at)


def _visible(principal: Principal, job: Job | None) -> Job:
    if job is None or not may_see(principal.id, principal.permissions, job.requested_by):
        raise _no_such_job()
    return job


def _no_such_job() -> NotFoundError:
    return NotFoundError("There is no such job.", "job_not_found")


def _check(job: Job, event: JobEvent) -> None:
    if not allows(job.status, event):
        done = {JobEvent.CANCEL: "cancelled", JobEvent.RETRY: "retried"}.get(event, "discarded")
        raise ConflictError(f"A job that is {job.status} can't be {done}.", "job_state")
