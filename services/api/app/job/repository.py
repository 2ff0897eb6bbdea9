"""Queries for jobs."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.broker import ROUTING_KEY
from app.core.pagination import Cursor
from app.job.domain import JobStatus
from app.job.models import IdempotencyKey, Job, OutboxMessage
from app.job.schemas import JobQuery
from app.telemetry.tracing import trace_headers

NEWEST_FIRST = "-created_at"


def message_for(job_id: UUID, job_type: str) -> dict[str, str]:
    """The message that tells the workers of a job (contracts/job-message.schema.json)."""
    return {"job_id": str(job_id), "type": job_type}


class JobRepository:
    """Jobs in PostgreSQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self, job_id: UUID, job_type: str, params: Mapping[str, Any], requested_by: UUID
    ) -> Job:
        """Insert a job and its outbox row in one statement, one round trip."""
        outbox = (
            insert(OutboxMessage)
            .values(
                job_id=job_id,
                routing_key=ROUTING_KEY,
                message=message_for(job_id, job_type),
                headers=trace_headers(),
            )
            .cte("added_message")
        )
        job = (
            insert(Job)
            .values(id=job_id, type=job_type, params=dict(params), requested_by=requested_by)
            .returning(Job)
            .add_cte(outbox)
        )
        return (await self._session.scalars(job)).one()

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
        """End a job that no worker has, and the message about it."""
        job.status = JobStatus.CANCELLED
        job.cancel_requested = True
        job.finished_at = func.now()
        await self._session.execute(delete(OutboxMessage).where(OutboxMessage.job_id == job.id))
        await self._flush(job)

    async def request_cancel(self, job: Job) -> None:
        """Ask the worker that runs the job to stop."""
        job.cancel_requested = True
        await self._flush(job)

    async def requeue(self, job: Job) -> None:
        """Start over: as if the job had just been asked for."""
        await self._session.execute(
            update(Job)
            .where(Job.id == job.id)
            .values(
                status=JobStatus.QUEUED,
                attempts=0,
                cancel_requested=False,
                progress_done=0,
                progress_total=None,
                lease_token=None,
                lease_expires_at=None,
                result=None,
                error=None,
                started_at=None,
                finished_at=None,
                enqueued_at=func.now(),
            )
        )
        await self._session.execute(
            insert(OutboxMessage).values(
                job_id=job.id,
                routing_key=ROUTING_KEY,
                message=message_for(job.id, job.type),
                headers=trace_headers(),
            )
        )
        await self._session.refresh(job)

    async def claim_key(
        self, user_id: UUID, key: str, fingerprint: str
    ) -> tuple[IdempotencyKey, bool]:
        """The row of an Idempotency-Key, and whether it is new.

        A request with the same key that is still under way is waited for.
        """
        fresh = (
            upsert(IdempotencyKey)
            .values(user_id=user_id, key=key, fingerprint=fingerprint, job_id=uuid4())
            .on_conflict_do_nothing()
            .returning(IdempotencyKey)
        )
        if row := await self._session.scalar(fresh):
            return row, True
        return await self._session.get_one(IdempotencyKey, (user_id, key)), False

    async def _flush(self, job: Job) -> None:
        await self._session.flush()
        await self._session.refresh(job)
