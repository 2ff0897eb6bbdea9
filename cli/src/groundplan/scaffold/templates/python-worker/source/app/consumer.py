"""From message to job.

Every outcome of a message. None is ever requeued by hand: what is to be tried again has a row in
the outbox, or is found by the sweeper, and both count attempts in PostgreSQL.

| what happened                         | message   | job                                        |
| ------------------------------------- | --------- | ------------------------------------------ |
| not valid against the message schema  | reject    | untouched                                  |
| gone, finished or leased by another   | ack       | untouched                                  |
| succeeded                             | ack       | succeeded                                  |
| cancelled                             | ack       | cancelled                                  |
| attempt failed, others are left       | ack       | queued, in the outbox with a delay         |
| last attempt failed                   | reject    | failed                                     |
| unknown type, or permanent error      | reject    | failed                                     |
| lease lost                            | ack       | another worker's                           |
| worker stops while it runs            | ack       | queued, in the outbox, attempt given back  |
| worker stops before it is claimed     | keep      | untouched                                  |
| database away                         | wait      | claimed or recorded once it is back        |
| database away, and worker stops       | keep, ack | before the claim; after it: lease runs out |
| connection to the broker lost         | (void)    | goes on; the redelivered message finds it  |
"""

import asyncio
import json
from uuid import UUID

import structlog
from aio_pika.abc import AbstractIncomingMessage
from structlog.contextvars import bound_contextvars

from app.broker import Outcome
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
        headers = _trace_headers(message)
        with bound_contextvars(**headers):
            try:
                body = json.loads(message.body)
                self._schema.validate(body)
            except (ValueError, JobError) as error:
                log.error("message.rejected", error=str(error))  # noqa: TRY400 - no bug of ours
                return "reject"
            with bound_contextvars(job_id=body["job_id"]):
                try:
                    return await self._runner.run(UUID(body["job_id"]), headers)
                except Exception:
                    log.exception("message.kept")
                    return "keep"


def _trace_headers(message: AbstractIncomingMessage) -> dict[str, str]:
    """The W3C trace context of a message; it goes into log lines and on into further messages."""
    traceparent = message.headers.get("traceparent")
    return {"traceparent": traceparent} if isinstance(traceparent, str) else {}
