"""Workers that are killed or stopped in the middle of an export."""

import asyncio
import signal
from uuid import UUID

import pytest

from tests.process import WorkerProcess
from tests.proxy import Proxy
from tests.system import System
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def start_export(system: System, storage: Proxy) -> UUID:
    """Start an export that the slow storage keeps in its middle for long."""
    storage.slow = True
    sent = storage.sent
    job_id = await system.add_export()

    async def half_done() -> bool:
        job = await system.job(job_id)
        return job["progress_done"] > 0 and storage.sent > sent + 1_000_000

    await eventually(half_done)
    assert await system.copies() == 1
    return job_id


async def expect_nothing_left(system: System, job_id: UUID) -> None:
    """Neither a query, nor a file, nor a part of one remains."""

    async def no_copy() -> bool:
        return await system.copies() == 0

    async def nothing_stored() -> bool:
        return await system.keys(job_id) == [] and await system.open_uploads() == ""

    await eventually(no_copy)
    await eventually(nothing_stored)


async def expect_one_file(system: System, job_id: UUID, rows: int, attempts: int) -> None:
    """The job succeeded, and its file is whole and the only one."""
    job = await system.reaches(job_id, "succeeded")
    assert job["attempts"] == attempts
    assert await system.keys(job_id) == [job["result"]["key"]]
    assert await system.open_uploads() == ""
    assert job["result"]["rows"] == rows
    assert (await system.read(job["result"])).count("\n") == rows + 1


async def test_kill(system: System, storage: Proxy, worker: WorkerProcess, many_users: int) -> None:
    """After kill -9 in the middle of an export another worker makes exactly one file."""
    async with worker:
        job_id = await start_export(system, storage)
    storage.slow = False
    async with WorkerProcess(system.environment()):
        await expect_one_file(system, job_id, many_users, attempts=2)


@pytest.mark.usefixtures("many_users")
async def test_cancel(system: System, storage: Proxy, worker: WorkerProcess) -> None:
    """A cancel in the middle of an export ends the COPY and leaves no file."""
    async with worker:
        job_id = await start_export(system, storage)
        await system.update(job_id, "cancel_requested = true")
        await system.reaches(job_id, "cancelled")
        await expect_nothing_left(system, job_id)


@pytest.mark.usefixtures("many_users")
async def test_lost_lease(system: System, storage: Proxy, worker: WorkerProcess) -> None:
    """A worker that lost its lease ends the COPY and leaves no file."""
    async with worker:
        job_id = await start_export(system, storage)
        await system.update(job_id, "lease_token = gen_random_uuid(), status = 'cancelled'")
        await expect_nothing_left(system, job_id)
        assert (await system.job(job_id))["result"] is None


async def test_stop(system: System, storage: Proxy, worker: WorkerProcess, many_users: int) -> None:
    """SIGTERM puts a job that does not end in time back, and the attempt does not count."""
    async with worker:
        job_id = await start_export(system, storage)
        worker.process.terminate()
        async with asyncio.timeout(8):
            await worker.process.wait()
        assert worker.logged("worker.stopped")
        job = await system.job(job_id)
        assert (job["status"], job["attempts"], job["error"]) == ("queued", 0, None)
        await expect_nothing_left(system, job_id)
    async with WorkerProcess(system.environment()):
        await expect_one_file(system, job_id, many_users, attempts=1)


async def test_grace(
    system: System, storage: Proxy, worker: WorkerProcess, many_users: int
) -> None:
    """SIGTERM lets a job end that needs less than the grace period."""
    async with worker:
        job_id = await start_export(system, storage)
        worker.process.terminate()
        await worker.until_logged("worker.stopping")
        storage.slow = False
        await worker.process.wait()
    await expect_one_file(system, job_id, many_users, attempts=1)


async def test_idle_stop(worker: WorkerProcess) -> None:
    """A worker without jobs stops at once, and writes nothing but its log."""
    async with worker:
        await worker.until_ready()
        worker.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(3):
            await worker.process.wait()
        assert worker.logged("worker.stopped")
        assert worker.process.stderr
        assert await worker.process.stderr.read() == b""
