"""Use case of exports: ask for one, at most once for one Idempotency-Key."""

import hashlib
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.sessions import Principal
from app.core.errors import InvalidError
from app.export.schemas import ExportParams
from app.job.models import Job
from app.job.repository import JobRepository
from app.job.schemas import JobOut

JOB_TYPE = "export"


class ExportService:
    """What may be done with exports."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._jobs = JobRepository(session)

    async def create(
        self, principal: Principal, params: ExportParams, key: str | None
    ) -> tuple[JobOut, bool]:
        """The job, and whether it is a replay of an earlier request with the same key.

        Raises InvalidError when the key came with another body before.
        """
        if key is None:
            return await self._insert(uuid4(), principal, params), False
        fingerprint = hashlib.sha256(params.model_dump_json().encode()).hexdigest()
        row, is_new = await self._jobs.claim_key(principal.id, key, fingerprint)
        if is_new:
            return await self._insert(row.job_id, principal, params), False
        if row.fingerprint != fingerprint:
            raise InvalidError(
                "This Idempotency-Key was used with another body.",
                "header.Idempotency-Key",
                "idempotency_key_reused",
            )
        return JobOut.from_row(await self._session.get_one(Job, row.job_id)), True

    async def _insert(self, job_id: UUID, principal: Principal, params: ExportParams) -> JobOut:
        job = await self._jobs.create(job_id, JOB_TYPE, params.model_dump(), principal.id)
        return JobOut.from_row(job)
