"""The lease of a running job: who holds it may write, and nobody else."""

import asyncio
from typing import Literal

import structlog

from app.job import Progress
from app.repository import Claim, JobRepository

TICK_S = 0.25
# So soon a job hears that it was cancelled.
HEARTBEAT_S = 1.0

log = structlog.get_logger()


class Lease:
    """Extends itself while the job runs and writes its progress, both in one statement."""

    def __init__(self, repository: JobRepository, claim: Claim, seconds: float) -> None:
        self.progress = Progress()
        self._repository = repository
        self._claim = claim
        self._seconds = seconds
        self._written = self.progress
        self._clock = asyncio.get_running_loop().time
        self._extended_at = self._clock()

    async def hold(self) -> Literal["cancel", "lost"]:
        """Extend for ever; returns why the job must end."""
        while True:
            await asyncio.sleep(TICK_S)
            if self._is_due() and (answer := await self._extend()) != "held":
                return answer

    def _is_due(self) -> bool:
        silent = self._clock() - self._extended_at
        return self.progress != self._written or silent >= min(HEARTBEAT_S, self._seconds / 4)

    async def _extend(self) -> Literal["held", "cancel", "lost"]:
        sent_at, progress = self._clock(), self.progress
        try:
            answer = await self._repository.extend(self._claim, progress)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease was not extended
            log.warning("lease.not_extended", error=repr(error))
            # Another worker may have the job by now: the lease ran out although nobody said so.
            return "lost" if self._clock() - self._extended_at > self._seconds else "held"
        self._extended_at, self._written = sent_at, progress
        return answer
