"""Revives jobs that nobody works on any more. Any number of sweepers may run: SKIP LOCKED."""

import asyncio
import json

import structlog
from sqlalchemy import text

from app.broker import ROUTING_KEY
from app.database import Database, is_outage
from app.telemetry.tracing import Telemetry, trace_headers

PERIOD_S = 5.0

# A worker that died or lost its connection stops extending its lease.
REVIVE_EXPIRED = text(
    """
    WITH expired AS (
        SELECT id FROM jobs WHERE status = 'running' AND lease_expires_at < now()
        ORDER BY enqueued_at LIMIT 100 FOR UPDATE SKIP LOCKED
    ), swept AS (
        UPDATE jobs SET
            status = CASE WHEN cancel_requested THEN 'cancelled'
                          WHEN attempts >= max_attempts THEN 'failed' ELSE 'queued' END,
            error = CASE WHEN cancel_requested THEN error
                         WHEN attempts >= max_attempts
                         THEN 'The worker stopped ' || attempts || ' times while it worked on this.'
                         ELSE 'The worker stopped; the job was queued again.' END,
            finished_at = CASE WHEN cancel_requested OR attempts >= max_attempts THEN now() END,
            lease_token = NULL, lease_expires_at = NULL, enqueued_at = now()
        FROM expired WHERE jobs.id = expired.id
        RETURNING jobs.id, jobs.type, jobs.status
    ), queued AS (
        INSERT INTO outbox (job_id, routing_key, message, headers)
        SELECT id, :routing_key, jsonb_build_object('job_id', id, 'type', type),
            CAST(:headers AS jsonb)
        FROM swept WHERE status = 'queued'
    )
    SELECT count(*) FROM swept
    """
)

# The broker may have lost its messages.
REVIVE_LOST = text(
    """
    WITH lost AS (
        SELECT id FROM jobs
        WHERE status = 'queued' AND enqueued_at < now() - interval '60 seconds'
            AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id)
        ORDER BY enqueued_at LIMIT 100 FOR UPDATE SKIP LOCKED
    ), swept AS (
        UPDATE jobs SET enqueued_at = now() FROM lost WHERE jobs.id = lost.id
        RETURNING jobs.id, jobs.type
    ), queued AS (
        INSERT INTO outbox (job_id, routing_key, message, headers)
        SELECT id, :routing_key, jsonb_build_object('job_id', id, 'type', type),
            CAST(:headers AS jsonb)
        FROM swept
    )
    SELECT count(*) FROM swept
    """
)

FORGET_KEYS = text("DELETE FROM idempotency_keys WHERE created_at < now() - interval '7 days'")

log = structlog.get_logger()


class Sweeper:
    """Looks every PERIOD_S seconds."""

    def __init__(self, database: Database, telemetry: Telemetry) -> None:
        self._database = database
        self._telemetry = telemetry

    async def run(self) -> None:
        """Sweep until cancelled; survives outages of the database."""
        while True:
            try:
                await self.sweep()
            except Exception as error:
                if is_outage(error):
                    log.warning("sweeper.unavailable", error=type(error).__name__)
                else:
                    log.exception("sweeper.failed")
            await asyncio.sleep(PERIOD_S)

    async def sweep(self) -> None:
        """Look once."""
        with self._telemetry.turn("sweep jobs") as turn:
            turn.found = await self._sweep()

    async def _sweep(self) -> bool:
        """Whether a job was revived."""
        parameters = {"routing_key": ROUTING_KEY, "headers": json.dumps(trace_headers())}
        revived = False
        async with self._database.transaction() as session:
            for event, statement in (
                ("job.lease_expired", REVIVE_EXPIRED),
                ("job.message_lost", REVIVE_LOST),
            ):
                count = await session.scalar(statement, parameters)
                if count:
                    revived = True
                    log.warning(event, count=count)
            await session.execute(FORGET_KEYS)
        return revived
