"""Use case of exports: ask for one, at most once for one Idempotency-Key."""

import hashlib
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.sessions import Principal
from app.core.errors import ForbiddenError, InvalidError
from app.export.schemas import ExportRequest
from app.job.domain import JobPriority
from app.job.models import Job
from app.job.repository import JobRepository
from app.job.schemas import JobOut
from app.role.domain import Permission

JOB_TYPE = "export"


class ExportService:
    """What may be done with exports."""

    def __init__(self, session: AsyncSession, result_days: int) -> None:
        self._session = session
        self._result_days = result_days
        self._jobs = JobRepository(session)

    async def create(
        self, principal: Principal, request: ExportRequest, key: str | None
    ) -> tuple[JobOut, bool]:
        """The job, and whether it is a replay of an earlier request with the same key.

        Raises InvalidError when the key came with another body before, ConflictError while a
        request with it is under way, ForbiddenError where the priority needs more rights.
        """
        _check_priority(principal, request.priority)
        if key is None:
            return await self._insert(uuid4(), principal, request), False
        fingerprint = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        row, is_new = await self._jobs.claim_key(principal.id, key, fingerprint)
        if is_new:
            return await self._insert(row.job_id, principal, request), False
        if row.fingerprint != fingerprint:
            raise InvalidError(
                "This Idempotency-Key was used with another body.",
                "header.Idempotency-Key",
                "idempotency_key_reused",
            )
        return JobOut.from_row(await self._session.get_one(Job, row.job_id)), True

    async def _insert(self, job_id: UUID, principal: Principal, request: ExportRequest) -> JobOut:
        job = await self._jobs.create(
            job_id,
            JOB_TYPE,
            request.params.model_dump(),
            principal.id,
            request.priority,
            self._result_days,
        )
        return JobOut.from_row(job)


def _check_priority(principal: Principal, priority: JobPriority) -> None:
    if priority == JobPriority.HIGH and Permission.JOB_MANAGE not in principal.permissions:
        raise ForbiddenError(f"The priority high needs the permission {Permission.JOB_MANAGE}.")
