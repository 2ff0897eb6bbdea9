"""One attempt at a job, from claim to outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from uuid import uuid4

import structlog
from structlog.contextvars import bound_contextvars

from app.database import Database
from app.errors import JobError, describe
from app.job import JobContext, JobResult, JobType, Progress
from app.lease import Lease
from app.repository import Claim, JobRepository
from app.retry import until_database_answers, until_storage_works
from app.storage import Storage

# How long a handler may take to end once it is cancelled; then it is left alone.
ABORT_S = 2.0

T = TypeVar("T")
log = structlog.get_logger()


@dataclass
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
    _outage: bool = False
    """An attempt failed by an outage: others would only use up theirs."""

    async def claim(self) -> Claim | None:
        """The job whose turn it is, if one is due. Waits for a database or storage that is away."""
        if self._outage:
            await until_storage_works(self.storage, self.draining)
            self._outage = False
        token = uuid4()
        return await until_database_answers(lambda: self.repository.claim(token), self.draining)

    async def run(self, claim: Claim) -> None:
        """Do one attempt; returns once the outcome is recorded, or another worker has the job."""
        with bound_contextvars(attempt=claim.attempt):
            log.info("job.claimed")
            await self._perform(claim)

    async def _perform(self, claim: Claim) -> None:
        lease = Lease(self.repository, claim, self.lease_seconds)
        handler = asyncio.create_task(self._handle(claim, lease))
        reason = await self._watch(handler, lease)
        if reason:
            await self._abort(claim, reason)
        elif error := handler.exception():
            await self._fail(claim, error)
        else:
            await self._succeed(claim, handler.result(), lease.progress)

    async def _watch(
        self, handler: "asyncio.Task[JobResult | None]", lease: Lease
    ) -> Literal["cancel", "lost", "stopped"] | None:
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
            claim.id,
            claim.attempt,
            claim.number,
            claim.params,
            report,
            self.database,
            self.storage,
        )
        return await job_type.handle(context)

    async def _succeed(self, claim: Claim, result: JobResult | None, progress: Progress) -> None:
        recorded = await self._record(lambda: self.repository.succeed(claim, result, progress))
        if recorded:
            log.info("job.succeeded")
        if recorded is False and result:
            with suppress(JobError):
                await self.storage.remove(result["key"])

    async def _abort(self, claim: Claim, reason: Literal["cancel", "lost", "stopped"]) -> None:
        if reason == "lost":
            log.warning("job.lease_lost")
        elif reason == "cancel":
            if await self._record(lambda: self.repository.cancel(claim)):
                log.info("job.cancelled")
        elif status := await self._record(lambda: self.repository.put_back(claim)):
            log.info("job.put_back", status=status)

    async def _fail(self, claim: Claim, error: BaseException) -> None:
        log.error("job.attempt_failed", exc_info=error)
        text = describe(error)
        permanent = isinstance(error, JobError) and error.permanent
        if isinstance(error, JobError) and error.outage:
            self._outage = True
        status = await self._record(lambda: self.repository.fail(claim, text, permanent=permanent))
        if status:
            log.info("job.retried" if status == "queued" else f"job.{status}")

    async def _record(self, change: Callable[[], Awaitable[T]]) -> T | None:
        """The answer of the database: nothing or False where the job is another worker's.

        None, too, where the database is away and the worker stops; the sweeper revives the job.
        """
        try:
            answer = await until_database_answers(change, self.stopping)
        except Exception:
            log.exception("job.not_recorded")
            return None
        if not answer:
            log.info("job.lease_lost")
        return answer
