"""Fans changes of jobs out to event streams; no stream holds a database connection."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

import structlog
from fastapi.sse import format_sse_event

from app.auth.sessions import Principal
from app.core.errors import ApiError, UnavailableError
from app.database import Database, is_outage
from app.job.domain import may_see
from app.job.repository import JobRepository
from app.job.schemas import JobOut
from app.settings import Settings
from app.telemetry.tracing import Telemetry

QUEUE_SIZE = 100
RETRY_S = 0.5
RETRY_AFTER_S = 30
READY = format_sse_event(event="ready", data_str="{}")
PING = format_sse_event(comment="ping")

log = structlog.get_logger()


class Subscription:
    """What waits to be sent to one client, at most QUEUE_SIZE events."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.closed = False
        self._queue: deque[bytes] = deque([READY])
        self._changed = asyncio.Event()
        self._changed.set()

    def offer(self, event: bytes) -> None:
        """Queue an event. Who reads too slowly loses all that waits and gets `ready` instead."""
        if len(self._queue) >= QUEUE_SIZE:
            self.restart()
            return
        self._queue.append(event)
        self._changed.set()

    def restart(self) -> None:
        """Tell the client to fetch everything again."""
        self._queue.clear()
        self._queue.append(READY)
        self._changed.set()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._changed.set()

    async def take(self, timeout_s: float) -> bytes:
        """All that waits, joined; PING when nothing came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return PING
        self._changed.clear()
        events = b"".join(self._queue)
        self._queue.clear()
        return events


class EventHub:
    """Loads each changed job once and offers it to every client that may see it."""

    def __init__(self, settings: Settings, database: Database, telemetry: Telemetry) -> None:
        self._max_streams = settings.max_event_streams
        self._max_streams_per_user = settings.max_event_streams_per_user
        self._database = database
        self._telemetry = telemetry
        self._subscriptions: set[Subscription] = set()
        self._changed_jobs: set[UUID] = set()
        self._wake = asyncio.Event()
        self._closed = False

    @contextmanager
    def subscribe(self, principal: Principal) -> Iterator[Subscription]:
        """A subscription for as long as the client stays; ApiError where there are too many.

        A new stream is refused rather than an old one ended: the old one's client would come back.
        """
        self._admit(principal.id)
        subscription = Subscription(principal)
        if self._closed:
            subscription.close()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def _admit(self, user_id: UUID) -> None:
        if len(self._subscriptions) >= self._max_streams:
            raise UnavailableError("There are too many event streams.", "overloaded", RETRY_AFTER_S)
        own = sum(each.principal.id == user_id for each in self._subscriptions)
        if own >= self._max_streams_per_user:
            raise ApiError(
                f"You may have {self._max_streams_per_user} event streams at a time.",
                "too_many_streams",
                HTTPStatus.TOO_MANY_REQUESTS,
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )

    def job_changed(self, job_id: str) -> None:
        """Take note of a change, as PostgreSQL notifies it."""
        if self._subscriptions:
            self._changed_jobs.add(UUID(job_id))
            self._wake.set()

    def restart_all(self) -> None:
        """Tell every client to fetch everything again: notifications may have been missed."""
        for subscription in self._subscriptions:
            subscription.restart()

    def close(self) -> None:
        """End every stream, at once."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()

    async def run(self) -> None:
        """Deliver until cancelled; survives outages of the database."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            job_ids, self._changed_jobs = self._changed_jobs, set()
            try:
                await self._deliver(job_ids)
            except Exception as error:
                if is_outage(error):
                    log.warning("event.unavailable", error=type(error).__name__)
                else:
                    log.exception("event.failed")
                await asyncio.sleep(RETRY_S)
                self._changed_jobs |= job_ids
                self._wake.set()

    async def _deliver(self, job_ids: set[UUID]) -> None:
        with self._telemetry.turn("deliver events") as turn:
            async with self._database.transaction() as session:
                jobs = await JobRepository(session).find_many(job_ids)
            turn.found = bool(jobs)
        for job in jobs:
            data = JobOut.from_row(job).model_dump_json()
            event = format_sse_event(event="job", data_str=data)
            for subscription in self._subscriptions:
                principal = subscription.principal
                if may_see(principal.id, principal.permissions, job.requested_by):
                    subscription.offer(event)
