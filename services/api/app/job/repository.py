"""Queries for jobs."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, func, insert, literal, not_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError
from app.core.pagination import Cursor
from app.database import is_lock_timeout
from app.job.domain import JobPriority, JobStatus
from app.job.models import IdempotencyKey, Job
from app.job.schemas import JobQuery
from app.telemetry.tracing import trace_headers
from app.user.models import User

NEWEST_FIRST = "-created_at"


IS_DEAD = and_(Job.status == JobStatus.FAILED, Job.discarded_at.is_(None))
# A request whose twin takes longer is told so.
WAIT_FOR_TWIN = text("SET LOCAL lock_timeout = '2s'")


def as_new() -> dict[str, Any]:
    """Columns of a job that starts over, as if it had just been asked for."""
    return {
        "status": JobStatus.QUEUED,
        "attempts": 0,
        "cancel_requested": False,
        "progress_done": 0,
        "progress_total": None,
        "lease_token": None,
        "lease_expires_at": None,
        "result": None,
        "file_deleted_at": None,
        "error": None,
        "started_at": None,
        "finished_at": None,
        "discarded_at": None,
        "headers": trace_headers(),
        "enqueued_at": func.now(),
        "woken_at": func.now(),
    }


class JobRepository:
    """Jobs in PostgreSQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self,
        job_id: UUID,
        job_type: str,
        params: Mapping[str, Any],
        requested_by: UUID,
        priority: JobPriority = JobPriority.NORMAL,
        result_days: int = 7,
    ) -> Job:
        """Insert a job, with the message that wakes a worker, in one round trip."""
        job = insert(Job).values(
            id=job_id,
            type=job_type,
            params=dict(params),
            requested_by=requested_by,
            priority=priority.level,
            result_days=result_days,
            headers=trace_headers(),
        )
        return (await self._session.scalars(job.returning(Job))).one()

    async def find(self, job_id: UUID, *, for_update: bool = False) -> Job | None:
        """The job with that id, locked until the end of the transaction if `for_update`."""
        query = select(Job).where(Job.id == job_id)
        if for_update:
            query = query.with_for_update()
        return await self._session.scalar(query)

    async def find_many(self, job_ids: Collection[UUID]) -> Sequence[Job]:
        """The jobs with those ids."""
        return (await self._session.scalars(select(Job).where(Job.id.in_(job_ids)))).all()

    async def page(self, query: JobQuery, owner: UUID | None) -> tuple[Sequence[Job], str | None]:
        """A page of jobs, newest first, of `owner` or of all; and the next cursor."""
        rows = select(Job).order_by(Job.created_at.desc(), Job.id.desc()).limit(query.limit + 1)
        if owner:
            rows = rows.where(Job.requested_by == owner)
        if query.status:
            rows = rows.where(Job.status == query.status)
        if query.dead is not None:
            rows = rows.where(IS_DEAD if query.dead else not_(IS_DEAD))
        if query.cursor:
            cursor = Cursor.decode(query.cursor, NEWEST_FIRST)
            place = tuple_(
                literal(datetime.fromisoformat(cursor.value), Job.created_at.type),
                literal(cursor.id),
            )
            rows = rows.where(tuple_(Job.created_at, Job.id) < place)
        jobs = (await self._session.scalars(rows)).all()
        if len(jobs) <= query.limit:
            return jobs, None
        last = jobs[query.limit - 1]
        cursor = Cursor(NEWEST_FIRST, last.created_at.isoformat(), last.id)
        return jobs[: query.limit], cursor.encode()

    async def cancel_queued(self, job: Job) -> None:
        """End a job that no worker has. Its message stays: it may wake a worker for another job."""
        job.status = JobStatus.CANCELLED
        job.cancel_requested = True
        job.finished_at = func.now()
        await self._flush(job)

    async def request_cancel(self, job: Job) -> None:
        """Ask the worker that runs the job to stop."""
        job.cancel_requested = True
        await self._flush(job)

    async def discard(self, job: Job) -> None:
        """No longer count a job among the dead."""
        job.discarded_at = func.now()
        await self._flush(job)

    async def dead(self, limit: int) -> Sequence[tuple[Job, str]]:
        """Up to `limit` dead jobs, newest first, each with the e-mail of who asked for it."""
        rows = (
            select(Job, User.email)
            .join(User, User.id == Job.requested_by)
            .where(IS_DEAD)
            .order_by(Job.created_at.desc(), Job.id.desc())
            .limit(limit)
        )
        return [(job, email) for job, email in await self._session.execute(rows)]

    async def change_dead(
        self, job_ids: Collection[UUID] | None, values: Mapping[str, Any]
    ) -> set[UUID]:
        """Write columns of all dead jobs, or of those of them with the ids; returns which."""
        rows = update(Job).where(IS_DEAD).values(values).returning(Job.id)
        if job_ids is not None:
            rows = rows.where(Job.id == func.any(list(job_ids)))
        rows = rows.execution_options(synchronize_session=False)
        return set(await self._session.scalars(rows))

    async def requeue(self, job: Job) -> None:
        """Start over."""
        await self._session.execute(update(Job).where(Job.id == job.id).values(as_new()))
        await self._session.refresh(job)

    async def claim_key(
        self, user_id: UUID, key: str, fingerprint: str
    ) -> tuple[IdempotencyKey, bool]:
        """The row of an Idempotency-Key, and whether it is new.

        A request with the same key that is still under way is waited for, two seconds at most;
        raises ConflictError then.
        """
        await self._session.execute(WAIT_FOR_TWIN)
        fresh = (
            upsert(IdempotencyKey)
            .values(user_id=user_id, key=key, fingerprint=fingerprint, job_id=uuid4())
            .on_conflict_do_nothing()
            .returning(IdempotencyKey)
        )
        try:
            row = await self._session.scalar(fresh)
        except DBAPIError as error:
            if not is_lock_timeout(error):
                raise
            raise ConflictError(
                "A request with this Idempotency-Key is under way.", "idempotency_key_in_use"
            ) from error
        if row:
            return row, True
        return await self._session.get_one(IdempotencyKey, (user_id, key)), False

    async def _flush(self, job: Job) -> None:
        await self._session.flush()
        await self._session.refresh(job)
