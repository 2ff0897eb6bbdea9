"""The composition root: what is connected with what, and how it stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import ModuleType

from app import jobs
from app.broker import Broker
from app.consumer import Consumer
from app.database import Database
from app.job import Schema, load_job_types
from app.repository import JobRepository
from app.runner import JobRunner
from app.settings import Settings
from app.storage import Storage

# Handlers have 2 s to end and a moment to put their jobs back.
END_S = 2.4
CLOSE_S = 0.25


@asynccontextmanager
async def run_worker(
    settings: Settings, job_types: ModuleType = jobs
) -> AsyncIterator[dict[str, Callable[[], Awaitable[None]]]]:
    """Do jobs; gives the checks of what they need, which may be away, now and later.

    `job_types` is the package with one module for each job type. At the end, running jobs have
    `worker_grace_seconds`, and then are put back.
    """
    contracts = settings.contracts_dir
    async with Database(settings) as database:
        storage = Storage(settings)
        runner = JobRunner(
            load_job_types(job_types, contracts),
            JobRepository(database, settings.worker_lease_seconds),
            database,
            storage,
            settings.worker_lease_seconds,
        )
        schema = Schema(contracts / "job-message.schema.json", "message")
        consumer = Consumer(schema, runner, settings.worker_concurrency)
        broker = Broker(settings, consumer.handle)
        consuming = asyncio.create_task(broker.run())
        try:
            yield {
                "postgres": database.check,
                "rabbitmq": broker.check,
                "storage": storage.create_bucket,
            }
        finally:
            runner.draining.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await broker.stop_consuming()
            await consumer.idle(settings.worker_grace_seconds)
            runner.stopping.set()
            await consumer.idle(END_S)
            consuming.cancel()
            await asyncio.wait((consuming,), timeout=CLOSE_S)
