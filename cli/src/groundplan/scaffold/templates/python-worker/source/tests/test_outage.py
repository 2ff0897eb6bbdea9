"""Servers that are away, at the start and later."""

import asyncio

import pytest

from tests.process import WorkerProcess
from tests.proxy import Proxy
from tests.system import System
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def expect_checks(worker: WorkerProcess, **expected: str) -> None:
    """Wait until the worker says so of its servers."""

    async def says_so() -> bool:
        response = await worker.health("/readyz")
        return response is not None and response.json()["checks"] == expected

    await eventually(says_so)


async def test_late_servers(
    worker: WorkerProcess, postgres: Proxy, rabbitmq: Proxy, storage: Proxy
) -> None:
    """A worker that starts before its servers lives, says what it lacks, and is ready with them."""
    for proxy in (postgres, rabbitmq, storage):
        await proxy.cut()
    async with worker:
        away = "unavailable"
        await expect_checks(worker, postgres=away, rabbitmq=away, storage=away)
        alive, ready = await worker.health("/healthz"), await worker.health("/readyz")
        assert alive
        assert alive.json() == {"status": "ok"}
        assert ready
        assert ready.status_code == 503
        await postgres.restore()
        await storage.restore()
        await expect_checks(worker, postgres="ok", rabbitmq=away, storage="ok")
        await rabbitmq.restore()
        await worker.until_ready()


async def test_bad_settings(system: System) -> None:
    """Missing and placeholder settings end the start with a line for each, without its value."""
    environment = system.environment(POSTGRES_PASSWORD="<random 32>", WORKER_CONCURRENCY="two")
    del environment["S3_BUCKET"]
    async with WorkerProcess(environment) as worker:
        assert await worker.process.wait() == 1
        assert worker.process.stderr
        lines = (await worker.process.stderr.read()).decode().splitlines()
    assert lines == [
        "error: POSTGRES_PASSWORD: still holds a placeholder",
        "error: S3_BUCKET: Field required",
        "error: WORKER_CONCURRENCY: Input should be a valid integer, unable to parse string as an integer",  # noqa: E501 - a line of output
        "hint: ./gp secrets check",
    ]


async def test_broker_away(system: System, worker: WorkerProcess, rabbitmq: Proxy) -> None:
    """A worker whose broker is away lives, says so, and goes on when it is back."""
    async with worker:
        await worker.until_ready()
        await rabbitmq.cut()
        await expect_checks(worker, postgres="ok", rabbitmq="unavailable", storage="ok")
        job_id = await system.add_export()
        await rabbitmq.restore()
        await system.reaches(job_id, "succeeded")


@pytest.mark.usefixtures("many_users")
async def test_broker_lost_in_a_job(
    system: System, worker: WorkerProcess, rabbitmq: Proxy, storage: Proxy
) -> None:
    """A job goes on through a lost connection to the broker, and runs once."""
    storage.slow = True
    async with worker:
        job_id = await system.add_export()

        async def uploading() -> bool:
            return storage.sent > 1_000_000

        await eventually(uploading)
        await rabbitmq.cut()
        await rabbitmq.restore()
        storage.slow = False
        assert (await system.reaches(job_id, "succeeded"))["attempts"] == 1
        await system.reaches(await system.add_export(), "succeeded")
    assert system.relayed[-1]["job_id"] != job_id


async def test_queue_deleted(system: System, worker: WorkerProcess) -> None:
    """A queue that was deleted is declared again."""
    async with worker:
        await worker.until_ready()
        await system.channel.queue_delete(system.settings.job_queue)

        async def consumes_again() -> bool:
            return [line["event"] for line in worker.lines].count("broker.consuming") == 2

        await eventually(consumes_again)
        await system.reaches(await system.add_export(), "succeeded")


async def test_frozen_broker(worker: WorkerProcess, rabbitmq: Proxy) -> None:
    """A worker whose broker is frozen still stops soon."""
    async with worker:
        await worker.until_ready()
        rabbitmq.hold()
        worker.process.terminate()
        async with asyncio.timeout(5):
            await worker.process.wait()


async def test_storage_away(system: System, worker: WorkerProcess, storage: Proxy) -> None:
    """A job says that the storage is away, and is tried again until it is back."""
    await storage.cut()
    async with worker:
        job_id = await system.add_export(max_attempts=1000)
        assert await system.error_of(job_id) == "The storage did not answer."
        await storage.restore()
        assert (await system.reaches(job_id, "succeeded"))["error"] is None


async def test_storage_stays_away(system: System, worker: WorkerProcess, storage: Proxy) -> None:
    """A storage that stays away costs one attempt, and those that wait none."""
    await storage.cut()
    async with worker:
        job_id = await system.add_export(max_attempts=2)
        await worker.until_logged("storage.away")
        assert await system.error_of(job_id) == "The storage did not answer."
        waiting = await system.add_export(max_attempts=1)
        await storage.restore()
        assert (await system.reaches(waiting, "succeeded"))["attempts"] == 1
        assert (await system.reaches(job_id, "succeeded"))["attempts"] == 2


async def test_storage_refuses(system: System) -> None:
    """A refused access key costs one attempt, and a worker with the right one does the job."""
    job_id = await system.add_export(max_attempts=2)
    async with WorkerProcess(system.environment(S3_SECRET_ACCESS_KEY="wrong")) as wrong:
        await wrong.until_logged("storage.away")
        assert (await system.error_of(job_id)).startswith("The storage refused access")
    async with WorkerProcess(system.environment()):
        assert (await system.reaches(job_id, "succeeded"))["attempts"] == 2


async def test_database_away(system: System, worker: WorkerProcess, postgres: Proxy) -> None:
    """A message waits while the database is away, and its job is done when it is back."""
    async with worker:
        await worker.until_ready()
        await postgres.cut()
        job_id = await system.add_export()
        await worker.until_logged("database.away")
        await postgres.restore()
        assert (await system.reaches(job_id, "succeeded"))["attempts"] == 1


@pytest.mark.usefixtures("many_users")
async def test_database_lost_in_a_job(
    system: System, worker: WorkerProcess, postgres: Proxy, storage: Proxy
) -> None:
    """An export whose database goes away in its middle ends with one complete file."""
    storage.slow = True
    async with worker:
        job_id = await system.add_export(max_attempts=1000)

        async def uploading() -> bool:
            return storage.sent > 1_000_000

        await eventually(uploading)
        await postgres.cut()
        storage.slow = False
        await worker.until_logged("job.attempt_failed")
        await postgres.restore()
        job = await system.reaches(job_id, "succeeded")
        assert await system.keys(job_id) == [job["result"]["key"]]


@pytest.mark.usefixtures("many_users")
async def test_frozen_database(
    system: System, worker: WorkerProcess, postgres: Proxy, storage: Proxy
) -> None:
    """An export whose database is frozen is given up, and done again later."""
    storage.slow = True
    async with worker:
        job_id = await system.add_export(max_attempts=1000)

        async def uploading() -> bool:
            return storage.sent > 1_000_000

        await eventually(uploading)
        postgres.hold()
        await worker.until_logged("job.lease_lost")
        storage.slow = False
        await postgres.cut()
        postgres.release()
        await postgres.restore()
        job = await system.reaches(job_id, "succeeded")
        assert await system.keys(job_id) == [job["result"]["key"]]
