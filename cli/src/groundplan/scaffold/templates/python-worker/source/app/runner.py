"""One attempt at a job, from claim to outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from app.broker import Outcome
from app.database import Database
from app.errors import JobError, describe
from app.job import JobContext, JobResult, JobType, Progress
from app.lease import Lease
from app.repository import Claim, JobRepository
from app.retry import backoff_seconds, until_database_answers
from app.storage import Storage

# How long a handler may take to end once it is cancelled; then it is left alone.
ABORT_S = 2.0

log = structlog.get_logger()


@dataclass(frozen=True)
class JobRunner:
    """Runs attempts; any number at once."""

    types: Mapping[str, JobType]
    repository: JobRepository
    database: Database
    storage: Storage
    lease_seconds: float
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when no further job is to be claimed."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when running jobs are to be put back."""

    async def run(self, job_id: UUID, headers: dict[str, str]) -> Outcome:
        """Do one attempt; `headers` go with the message of a further one: its trace context."""
        claim = await until_database_answers(lambda: self.repository.claim(job_id), self.draining)
        if claim is None:
            log.info("job.not_claimable")
            return "ack"
        with bound_contextvars(attempt=claim.attempt):
            log.info("job.claimed")
            return await self._perform(claim, headers)

    async def _perform(self, claim: Claim, headers: dict[str, str]) -> Outcome:
        if claim.cancel_requested:
            return await self._abort(claim, "cancelled", headers)
        lease = Lease(self.repository, claim, self.lease_seconds)
        handler = asyncio.create_task(self._handle(claim, lease))
        reason = await self._watch(handler, lease)
        if reason:
            return await self._abort(claim, reason, headers)
        error = handler.exception()
        if error:
            return await self._fail(claim, error, headers)
        return await self._succeed(claim, handler.result(), lease.progress)

    async def _watch(
        self, handler: "asyncio.Task[JobResult | None]", lease: Lease
    ) -> Literal["cancelled", "lost", "stopped"] | None:
        """Wait for the handler; returns why it was made to end before, if it was."""
        hold = asyncio.create_task(lease.hold())
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait((handler, hold, stop), return_when=asyncio.FIRST_COMPLETED)
            if handler.done():
                return None
            handler.cancel()
            await asyncio.wait((handler,), timeout=ABORT_S)
            return hold.result() if hold.done() else "stopped"
        finally:
            hold.cancel()
            stop.cancel()

    async def _handle(self, claim: Claim, lease: Lease) -> JobResult | None:
        if claim.type not in self.types:
            raise JobError(f'There is no job type "{claim.type}".', permanent=True)
        job_type = self.types[claim.type]
        job_type.schema.validate(claim.params)

        def report(progress: Progress) -> None:
            lease.progress = progress

        context = JobContext(
            claim.id, claim.attempt, claim.params, report, self.database, self.storage
        )
        return await job_type.handle(context)

    async def _succeed(self, claim: Claim, result: JobResult | None, progress: Progress) -> Outcome:
        recorded = await self._record(
            "job.succeeded", lambda: self.repository.succeed(claim, result, progress)
        )
        if recorded == "lost" and result:
            with suppress(JobError):
                await self.storage.remove(result["key"])
        return "ack"

    async def _abort(
        self, claim: Claim, reason: Literal["cancelled", "lost", "stopped"], headers: dict[str, str]
    ) -> Outcome:
        if reason == "lost":
            log.warning("job.lease_lost")
        elif reason == "cancelled":
            await self._record("job.cancelled", lambda: self.repository.cancel(claim))
        else:
            await self._record(
                "job.put_back", lambda: self.repository.requeue(claim, None, 0, headers)
            )
        return "ack"

    async def _fail(self, claim: Claim, error: BaseException, headers: dict[str, str]) -> Outcome:
        log.error("job.attempt_failed", exc_info=error)
        text = describe(error)
        permanent = isinstance(error, JobError) and error.permanent
        if not permanent and claim.attempt < claim.max_attempts:
            delay_s = backoff_seconds(claim.attempt)
            await self._record(
                "job.retried", lambda: self.repository.requeue(claim, text, delay_s, headers)
            )
            return "ack"
        recorded = await self._record("job.failed", lambda: self.repository.fail(claim, text))
        return "reject" if recorded == "recorded" else "ack"

    async def _record(
        self, event: str, change: Callable[[], Awaitable[bool]]
    ) -> Literal["recorded", "lost", "unknown"]:
        """`unknown`: the database is away and the worker stops; the sweeper revives the job."""
        try:
            held = await until_database_answers(change, self.stopping)
        except Exception:
            log.exception("job.not_recorded")
            return "unknown"
        log.info(event if held else "job.lease_lost")
        return "recorded" if held else "lost"
