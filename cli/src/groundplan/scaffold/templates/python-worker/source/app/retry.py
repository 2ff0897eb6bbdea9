"""When something is tried again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import TypeVar

import asyncpg
import structlog

from app.storage import Storage

FIRST_S = 0.25
MAX_S = 5.0
# The values are at fault: they would be refused again.
REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

T = TypeVar("T")
log = structlog.get_logger()


async def until_database_answers(
    statement: Callable[[], Awaitable[T]], stopping: asyncio.Event
) -> T:
    """Repeat a statement until the database takes it: it may be away, full, or not migrated yet.

    Raises its error where the values are at fault, or when `stopping`.
    """
    return await _until_it_works(statement, stopping, "database.away")


async def until_storage_works(storage: Storage, stopping: asyncio.Event) -> None:
    """Wait until the storage takes files. Raises its error when `stopping`."""
    await _until_it_works(storage.probe, stopping, "storage.away")


async def _until_it_works(
    call: Callable[[], Awaitable[T]], stopping: asyncio.Event, event: str
) -> T:
    """Repeat `call` with backoff; it runs at least once."""
    for attempt in count():
        try:
            return await call()
        except Exception as error:
            if stopping.is_set() or isinstance(error, REFUSED):
                raise
            if attempt == 0:
                log.warning(event, error=repr(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(jittered(min(MAX_S, FIRST_S * 2**attempt))):
                await stopping.wait()
    raise AssertionError("counts for ever")


def jittered(seconds: float) -> float:
    """Half to one and a half of it, so that many workers don't come back at once."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
