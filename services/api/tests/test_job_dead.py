"""Jobs that failed for good: seeing, replaying and discarding them."""

import json
from uuid import uuid4

import asyncpg
import httpx2 as httpx
import pytest

from app.settings import Settings
from tests import database
from tests.jobs import create_job, fail
from tests.people import People
from tests.process import run
from tests.running import run_api

pytestmark = pytest.mark.anyio
JOBS = "/api/v1/jobs"
UNKNOWN = "5b9c5c1e-6d0a-4a8b-9a53-0a3f0c1d2e3f"


async def dead_ids(client: httpx.AsyncClient) -> list[str]:
    """The jobs that a client sees among the dead."""
    response = await client.get(JOBS, params={"dead": True, "limit": 200})
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["items"]]


async def test_the_dead_are_everybodys_and_for_managers_of_jobs(
    people: People, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """With job:manage one sees all that failed; without it, one is refused."""
    async with (await people.create("manager")).client() as client:
        job = await create_job(client)
        waiting = await create_job(client)
        await fail(postgres, job["id"])
        assert (await client.get(JOBS, params={"dead": True})).status_code == 403
        alive = (await client.get(JOBS, params={"dead": False})).json()["items"]
    ids = await dead_ids(admin)
    assert job["id"] in ids
    assert waiting["id"] not in ids
    assert job["id"] not in {item["id"] for item in alive}


async def test_a_discarded_job_is_kept_but_not_among_the_dead(
    people: People, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """Discarding twice is harmless; a job that did not fail, or is unknown, is refused."""
    job = await create_job(admin)
    assert (await admin.post(f"{JOBS}/{job['id']}/discard")).status_code == 409
    await fail(postgres, job["id"])
    for _ in range(2):
        assert (await admin.post(f"{JOBS}/{job['id']}/discard")).status_code == 204
    assert job["id"] not in await dead_ids(admin)
    assert (await admin.get(f"{JOBS}/{job['id']}")).json()["status"] == "failed"
    assert (await admin.post(f"{JOBS}/{uuid4()}/discard")).status_code == 404
    assert (await admin.post(f"{JOBS}/garbage/discard")).status_code == 422
    async with (await people.create("manager")).client() as manager:
        assert (await manager.post(f"{JOBS}/{job['id']}/discard")).status_code == 403


async def test_who_manages_jobs_replays_those_of_others(
    people: People, postgres: "asyncpg.Connection"
) -> None:
    """With job:manage anybody's job starts over; a stranger without it does not even see it."""
    owner = await people.create_with("export:create", "job:read")
    keeper = await people.create_with("export:create", "job:manage")
    stranger = await people.create_with("export:create", "job:read")
    async with owner.client() as mine, keeper.client() as all_jobs, stranger.client() as other:
        job = await create_job(mine)
        await fail(postgres, job["id"])
        assert (await other.post(f"{JOBS}/{job['id']}/retry")).status_code == 404
        replayed = await all_jobs.post(f"{JOBS}/{job['id']}/retry")
    assert (replayed.status_code, replayed.json()["status"]) == (200, "queued")


async def test_the_command_lists_replays_and_discards(own_settings: Settings) -> None:
    """`jobs dead`, `replay ID` and `discard --all` change just what they name."""
    connection = await database.connect(own_settings, own_settings.postgres_db)
    async with run_api(own_settings) as api, (await People(api).create("admin")).client() as client:
        jobs = [await create_job(client) for _ in range(3)]
        for job in jobs:
            await fail(connection, job["id"], "The moon is full.")
        status, out = await run(own_settings, "app.job.commands", "dead", "--json")
        assert status == 0, out
        assert {job["id"] for job in json.loads(out)} == {job["id"] for job in jobs}
        assert {job["error"] for job in json.loads(out)} == {"The moon is full."}
        status, out = await run(own_settings, "app.job.commands", "replay", jobs[0]["id"])
        assert (status, out.strip()) == (0, "1 replayed")
        status, out = await run(own_settings, "app.job.commands", "discard", "--all", "--json")
        assert json.loads(out) == {"discarded": sorted(job["id"] for job in jobs[1:])}
        assert await dead_ids(client) == []
        assert (await run(own_settings, "app.job.commands", "dead"))[1].strip() == "No job is dead."
        messages = "SELECT count(*) FROM jobs WHERE status = 'queued'"
        assert await connection.fetchval(messages) == 1
        events = "SELECT event, subject_id::text FROM audit_events WHERE subject_type = 'job'"
        assert {tuple(row) for row in await connection.fetch(events)} == {
            ("job.replayed", jobs[0]["id"]),
            *(("job.discarded", job["id"]) for job in jobs[1:]),
        }
    await connection.close()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("replay", UNKNOWN), 1, "not among the dead"),
        (("discard", "nonsense"), 1, "not among the dead: nonsense"),
        (("replay",), 2, "say --all"),
        (("replay", "--all", UNKNOWN), 2, "say --all"),
        (("bury",), 2, "invalid choice"),
    ],
    ids=str,
)
async def test_the_command_refuses(
    settings: Settings, words: tuple[str, ...], status: int, said: str
) -> None:
    """Unknown jobs and words that make no sense are told, with a status of their own."""
    found, out = await run(settings, "app.job.commands", *words)
    assert (found, said in out) == (status, True), out


async def test_one_unknown_job_stops_all(
    settings: Settings, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """Where one of the jobs is unknown, none is replayed."""
    job = await create_job(admin)
    await fail(postgres, job["id"])
    words = ("app.job.commands", "replay", job["id"], str(uuid4()))
    assert (await run(settings, *words))[0] == 1
    assert job["id"] in await dead_ids(admin)
