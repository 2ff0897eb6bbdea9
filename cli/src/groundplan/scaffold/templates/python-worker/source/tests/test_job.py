"""Claims, retries, dead letters and cancels."""

import asyncio
from uuid import UUID, uuid4

import pytest

from tests.system import System
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workers")]

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def delays_of(system: System, job_id: UUID) -> list[float]:
    """Seconds that each message of a job should have waited."""
    return [sent["delay"] for sent in system.relayed if sent["job_id"] == job_id]


async def test_doubled_message(system: System) -> None:
    """A job whose message arrives twenty times at two workers runs once."""
    job_id = await system.add_job()
    for _ in range(20):
        await system.publish(f'{{"job_id": "{job_id}", "type": "scripted"}}')
    await system.reaches(job_id, "succeeded")
    await system.has_no_dead_letter()
    assert await system.effects(job_id) == [1]


async def test_many_jobs(system: System) -> None:
    """Thirty jobs at once run once each."""
    job_ids = await asyncio.gather(*(system.add_job() for _ in range(30)))
    for job_id in job_ids:
        await system.reaches(job_id, "succeeded")
        assert await system.effects(job_id) == [1]


async def test_job_is_gone(system: System) -> None:
    """A message of a job that is gone is forgotten."""
    await system.publish(f'{{"job_id": "{uuid4()}", "type": "scripted"}}')
    await system.has_no_dead_letter()


async def test_retry(system: System) -> None:
    """A failed attempt is tried again after a random delay, and then succeeds."""
    job_id = await system.add_job(failures=2)
    job = await system.reaches(job_id, "succeeded")
    assert (job["attempts"], job["error"], job["leased"]) == (3, None, False)
    assert await system.effects(job_id) == [1, 2, 3]
    _, first, second = delays_of(system, job_id)
    assert 0 < first <= 1
    assert 0 < second <= 4
    await system.has_no_dead_letter()


async def test_poison_job(system: System) -> None:
    """A job that always fails is dead after its attempts, and its error tells no secret."""
    job_id = await system.add_job(max_attempts=3, failures=99)
    job = await system.reaches(job_id, "failed")
    assert await system.effects(job_id) == [1, 2, 3]
    expected = "An unexpected error occurred (RuntimeError). The log of the worker tells more."
    assert job["error"] == expected


async def test_permanent_error(system: System) -> None:
    """A permanent error fails at once, in the words of the job."""
    job_id = await system.add_job(failures=99, permanent=True)
    job = await system.reaches(job_id, "failed")
    assert (job["attempts"], job["error"]) == (1, "The moon is full.")


async def test_unknown_type(system: System) -> None:
    """A job of a type that is not known fails at once."""
    job_id = await system.add_job("levitate")
    job = await system.reaches(job_id, "failed")
    assert (job["attempts"], job["error"]) == (1, 'There is no job type "levitate".')


async def test_wrong_parameters(system: System) -> None:
    """Parameters that the schema refuses never reach the handler."""
    job_id = await system.add_job(failures="many")
    job = await system.reaches(job_id, "failed")
    assert (job["attempts"], job["error"]) == (
        1,
        "params/failures: 'many' is not of type 'integer'.",
    )
    assert await system.effects(job_id) == []


@pytest.mark.parametrize(
    "body",
    [
        "nonsense",
        "[]",
        '{"type":"scripted"}',
        '{"type":"scripted","job_id":"1; DROP TABLE jobs"}',
        f'{{"type":"scripted","job_id":"{uuid4()}","x":1}}',
    ],
    ids=["no JSON", "no object", "no job_id", "no UUID", "a field too many"],
)
async def test_poison_message(system: System, body: str) -> None:
    """A message that is not valid is dead-lettered as it came."""
    await system.publish(body)
    assert await system.dead_letter() == body


@pytest.mark.parametrize("waits", ["polite", "deaf"])
async def test_cancel(system: System, waits: str) -> None:
    """A cancelled job ends as cancelled, even where its handler does not care; no retry."""
    job_id = await system.add_job(waits=waits)
    await system.reaches(job_id, "running")
    await system.update(job_id, "cancel_requested = true")
    job = await system.reaches(job_id, "cancelled")
    assert (job["attempts"], job["leased"]) == (1, False)
    await system.has_no_dead_letter()


async def test_cancel_before_claim(system: System) -> None:
    """A job that was cancelled while no worker ran it ends as cancelled once it is claimed."""
    job_id = await system.add_job(waits="polite")
    await system.reaches(job_id, "running")
    await system.update(
        job_id, "cancel_requested = true, lease_expires_at = now() - interval '1 s'"
    )
    await system.reaches(job_id, "cancelled")


async def test_lost_lease(system: System) -> None:
    """A worker whose lease another one took over writes nothing more."""
    job_id = await system.add_job(waits="polite")
    await system.reaches(job_id, "running")
    await system.update(job_id, "lease_token = gen_random_uuid(), error = 'mine'")

    async def is_aborted() -> bool:
        return 0 in await system.effects(job_id)

    await eventually(is_aborted)
    await system.reaches(await system.add_job(), "succeeded")
    job = await system.job(job_id)
    assert (job["status"], job["attempts"], job["error"]) == ("running", 1, "mine")
    await system.update(job_id, "status = 'cancelled'")
    await system.has_no_dead_letter()


async def test_trace_context(system: System) -> None:
    """The trace context of a message goes on into the message of the next attempt."""
    headers = {"traceparent": TRACEPARENT}
    job_id = await system.add_job(failures=1, headers=headers)
    await system.reaches(job_id, "succeeded")
    sent = [each["headers"] for each in system.relayed if each["job_id"] == job_id]
    assert sent == [headers, headers]
