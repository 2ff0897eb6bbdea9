"""A job that does what its parameters say."""

import asyncio
from contextlib import suppress

from app.errors import JobError
from app.job import JobContext


async def handle(context: JobContext) -> None:
    """Leave a row in `effects`, then fail, wait or return."""
    await _leave(context, context.attempt)
    if context.attempt <= context.params.get("failures", 0):
        if context.params.get("permanent"):
            raise JobError("The moon is full.", permanent=True)
        raise RuntimeError("password=hunter2")
    match context.params.get("waits"):
        case "deaf":
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            await asyncio.sleep(60)
        case "polite":
            try:
                await asyncio.sleep(60)
            finally:
                await _leave(context, 0)


async def _leave(context: JobContext, attempt: int) -> None:
    await context.database.fetchrow("INSERT INTO effects VALUES ($1, $2)", context.job_id, attempt)
