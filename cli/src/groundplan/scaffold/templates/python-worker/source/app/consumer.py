"""From message to job.

A message wakes a worker; which job is then done, PostgreSQL says. Every outcome of a message:

| what happened                         | message   | job                                       |
| ------------------------------------- | --------- | ----------------------------------------- |
| not valid against the message schema  | reject    | untouched                                 |
| no job is due                         | ack       | none                                      |
| a job was claimed, and ended somehow  | ack       | succeeded, queued again, failed, or ended |
| claimed, and redelivered before       | ack early | runs on                                   |
| worker stops before it claims         | keep      | untouched                                 |
| worker stops while it runs one        | ack       | queued again, attempt given back          |
| database away                         | wait      | claimed or recorded once it is back       |
| database away, and worker stops       | keep, ack | before the claim; after: lease runs out   |
| connection to the broker lost         | (void)    | goes on; the message wakes somebody else  |

The broker gives up a message that ends its worker twenty times. No job may bring that about: once a
worker has died on a message, it is acked as soon as a job is claimed.
"""

import asyncio
import json

import structlog
from aio_pika.abc import AbstractIncomingMessage
from structlog.contextvars import bound_contextvars

from app.broker import Outcome, settle
from app.errors import JobError
from app.job import Schema
from app.runner import JobRunner

log = structlog.get_logger()


class Consumer:
    """Turns messages into runs of jobs, a few at a time."""

    def __init__(self, schema: Schema, runner: JobRunner, concurrency: int) -> None:
        self._schema = schema
        self._runner = runner
        # After a lost connection, messages arrive beside jobs still running.
        self._places = asyncio.Semaphore(concurrency)
        self._running: set[asyncio.Task[Outcome]] = set()

    async def handle(self, message: AbstractIncomingMessage) -> Outcome:
        """Wait for a free place and do what the message says."""
        async with self._places:
            if self._runner.draining.is_set():
                return "keep"
            run = asyncio.create_task(self._run(message))
            self._running.add(run)
            run.add_done_callback(self._running.discard)
            return await run

    async def idle(self, timeout_s: float) -> None:
        """Return when no job runs, or after that time."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout_s)

    async def _run(self, message: AbstractIncomingMessage) -> Outcome:
        try:
            self._schema.validate(json.loads(message.body))
        except (ValueError, JobError) as error:
            log.error("message.rejected", error=str(error))  # noqa: TRY400 - no bug of ours
            return "reject"
        try:
            claim = await self._runner.claim()
            if claim is None:
                return "ack"
            if message.redelivered:
                await settle(message, "ack")
            with bound_contextvars(**claim.headers, job_id=str(claim.id)):
                await self._runner.run(claim)
        except Exception:
            log.exception("message.kept")
            return "keep"
        return "keep" if message.redelivered else "ack"
