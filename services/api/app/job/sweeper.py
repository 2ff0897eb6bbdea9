"""Revives jobs that nobody works on any more, and deletes what is no longer kept.

Any number of sweepers may run: each takes what no other has locked.
"""

import asyncio

import structlog
from sqlalchemy import text

from app.core.errors import UnavailableError
from app.database import Database, is_outage
from app.job.retention import delete_old_files, forget_old_rows
from app.storage import Storage
from app.telemetry.tracing import Telemetry

PERIOD_S = 5.0
SWEEP = text("SELECT expired, lost FROM sweep_jobs()")

log = structlog.get_logger()


class Sweeper:
    """Looks every PERIOD_S seconds."""

    def __init__(self, database: Database, storage: Storage, telemetry: Telemetry) -> None:
        self._database = database
        self._storage = storage
        self._telemetry = telemetry

    async def run(self) -> None:
        """Sweep until cancelled; survives outages of the database and the storage."""
        while True:
            try:
                await self.sweep()
            except Exception as error:
                if isinstance(error, UnavailableError) or is_outage(error):
                    log.warning("sweeper.unavailable", error=type(error).__name__)
                else:
                    log.exception("sweeper.failed")
            await asyncio.sleep(PERIOD_S)

    async def sweep(self) -> None:
        """Look once."""
        with self._telemetry.turn("sweep jobs") as turn:
            revived = await self._revive()
            forgotten = await forget_old_rows(self._database)
            deleted = await delete_old_files(self._database, self._storage)
            turn.found = bool(revived or forgotten or deleted)

    async def _revive(self) -> int:
        """Queue jobs whose worker vanished, and wake workers again; returns how many."""
        async with self._database.transaction() as session:
            expired, lost = (await session.execute(SWEEP)).one()
        if expired:
            log.warning("job.lease_expired", count=expired)
        if lost:
            log.warning("job.message_lost", count=lost)
        return int(expired + lost)
