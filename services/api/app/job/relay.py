"""Moves messages from the outbox to the broker.

A row is deleted in the transaction that locked it, once the broker confirmed its message. Whatever
dies in between leaves the row: a message may be sent twice, but is never lost. Any number of relays
may run: SKIP LOCKED shares the rows among them.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import structlog
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.broker import BrokerUnavailableError, Publisher, PublishError
from app.database import Database, is_outage
from app.job.models import OutboxMessage
from app.settings import Settings
from app.telemetry.tracing import Telemetry

BATCH = 100
POLL_S = 1.0
MIN_BACKOFF_S = 0.25
MAX_BACKOFF_S = 5.0
RETRY_DELAY = "5 seconds"

log = structlog.get_logger()


class Relay:
    """Publishes what is due, woken by notifications and every POLL_S seconds."""

    def __init__(self, settings: Settings, database: Database, telemetry: Telemetry) -> None:
        self._database = database
        self._telemetry = telemetry
        self._publisher = Publisher(settings)
        self._wake = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the broker is reachable right now."""
        return self._publisher.connected

    def wake(self) -> None:
        """Look at the outbox at once."""
        self._wake.set()

    async def run(self) -> None:
        """Relay until cancelled; survives outages of the broker and the database."""
        backoff = MIN_BACKOFF_S
        try:
            while True:
                try:
                    await self._relay_all()
                    backoff = MIN_BACKOFF_S
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await self._wake.wait()
                except Exception as error:  # noqa: BLE001 - the relay must outlive every fault
                    _report(error)
                    await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - jitter
                    backoff = min(backoff * 2, MAX_BACKOFF_S)
        finally:
            await self._publisher.close()

    async def _relay_all(self) -> None:
        if not self._publisher.connected:
            await self._publisher.connect()
            log.info("relay.connected")
        self._wake.clear()
        while await self._relay_batch() == BATCH:
            pass

    async def _relay_batch(self) -> int:
        """Publish up to BATCH messages; returns how many were due."""
        with self._telemetry.turn("relay outbox") as turn:
            async with self._database.transaction() as session:
                rows = await _lock_due(session)
                turn.found = bool(rows)
                if rows:
                    await self._relay_rows(session, rows)
        return len(rows)

    async def _relay_rows(self, session: AsyncSession, rows: Sequence[OutboxMessage]) -> None:
        failures = await self._publish(rows)
        confirmed = [row.id for row in rows if row.id not in failures]
        await session.execute(delete(OutboxMessage).where(OutboxMessage.id.in_(confirmed)))
        for row_id, reason in failures.items():
            await session.execute(
                update(OutboxMessage)
                .where(OutboxMessage.id == row_id)
                .values(error=reason, available_at=func.now() + text(f"interval '{RETRY_DELAY}'"))
            )
        if failures:
            reasons = sorted(set(failures.values()))
            log.warning("relay.not_published", count=len(failures), reasons=reasons)
        if confirmed:
            log.info("relay.published", count=len(confirmed))

    async def _publish(self, rows: Sequence[OutboxMessage]) -> dict[int, str]:
        """Publish all at once; returns why some were not confirmed."""
        outcomes = await asyncio.gather(
            *(
                self._publisher.publish(str(row.id), row.message, row.headers, row.routing_key)
                for row in rows
            ),
            return_exceptions=True,
        )
        if any(isinstance(outcome, BrokerUnavailableError) for outcome in outcomes):
            # The other end may be gone without a word: the next messages take a new connection.
            await self._publisher.close()
        failures: dict[int, str] = {}
        for row, outcome in zip(rows, outcomes, strict=True):
            if isinstance(outcome, (PublishError, BrokerUnavailableError)):
                failures[row.id] = str(outcome)
            elif outcome is not None:
                raise outcome
        return failures


async def _lock_due(session: AsyncSession) -> Sequence[OutboxMessage]:
    due = (
        select(OutboxMessage)
        .where(OutboxMessage.available_at <= func.now())
        .order_by(OutboxMessage.available_at, OutboxMessage.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(due)).all()


def _report(error: Exception) -> None:
    if isinstance(error, BrokerUnavailableError) or is_outage(error):
        log.warning("relay.unavailable", error=str(error) or type(error).__name__)
    else:
        log.error("relay.failed", exc_info=error)
