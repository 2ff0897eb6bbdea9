"""How long files and rows of jobs are kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import httpx2 as httpx
import obstore
import pytest
from obstore.store import S3Store

from app.core.errors import UnavailableError
from app.job.retention import delete_old_files
from app.settings import Settings
from app.storage import Storage
from tests.jobs import create_job, finish
from tests.people import People
from tests.running import Api, run_api

pytestmark = pytest.mark.anyio
JOBS = "/api/v1/jobs"


@pytest.fixture
def store(settings: Settings) -> S3Store:
    """The bucket, for what the worker would put there."""
    return S3Store(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        region=settings.s3_region,
        client_options={"allow_http": True},
    )


@pytest.fixture
async def exported(
    admin: httpx.AsyncClient, postgres: "asyncpg.Connection", store: S3Store
) -> AsyncIterator[str]:
    """The id of a job with a file, and with one that a lost attempt left."""
    job = await create_job(admin)
    for claim in (1, 2):
        await obstore.put_async(store, f"exports/{job['id']}/{claim}/users.csv.gz", b"x")
    await finish(postgres, job["id"], f"exports/{job['id']}/2/users.csv.gz")
    yield job["id"]
    for key in await keys(store, job["id"]):
        await obstore.delete_async(store, key)


async def keys(store: S3Store, job_id: str) -> list[str]:
    """What the storage holds of a job."""
    found = await obstore.list(store, f"exports/{job_id}/").collect_async()
    return sorted(item["path"] for item in found)


async def expire(connection: "asyncpg.Connection", job_id: str) -> None:
    """Let a file be a second too old."""
    await connection.execute(
        "UPDATE jobs SET expires_at = now() - interval '1 second' WHERE id = $1", job_id
    )


async def test_a_file_says_how_long_it_is_kept(
    settings: Settings, admin: httpx.AsyncClient, exported: str
) -> None:
    """A job with a file tells when that is deleted, and one without tells nothing."""
    job = (await admin.get(f"{JOBS}/{exported}")).json()
    kept = datetime.fromisoformat(job["expires_at"]) - datetime.now(UTC)
    assert timedelta(0) <= timedelta(days=settings.result_days) - kept < timedelta(minutes=5)
    assert job["expired"] is False
    other = await create_job(admin)
    assert (other["expires_at"], other["expired"]) == (None, False)


async def test_an_expired_file_is_deleted_and_says_so(
    api: Api,
    admin: httpx.AsyncClient,
    postgres: "asyncpg.Connection",
    store: S3Store,
    exported: str,
) -> None:
    """The download answers 410 from that second on; the sweeper deletes all attempts' files."""
    await expire(postgres, exported)
    gone = await admin.get(f"{JOBS}/{exported}/download")
    assert (gone.status_code, gone.json()["code"]) == (410, "file_expired")
    await api.resources.sweeper.sweep()
    assert await keys(store, exported) == []
    job = (await admin.get(f"{JOBS}/{exported}")).json()
    assert (job["status"], job["expired"]) == ("succeeded", True)
    assert (await admin.get(f"{JOBS}/{exported}/download")).status_code == 410


async def test_a_deletion_that_was_cut_off_goes_on(
    api: Api,
    settings: Settings,
    postgres: "asyncpg.Connection",
    store: S3Store,
    exported: str,
) -> None:
    """While the storage is away nothing is marked; what is gone already is no error."""
    await expire(postgres, exported)
    lonely = Storage(settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"}))
    with pytest.raises(UnavailableError):
        await delete_old_files(api.resources.database, lonely)
    marked = "SELECT file_deleted_at IS NOT NULL FROM jobs WHERE id = $1"
    assert await postgres.fetchval(marked, exported) is False
    # As if it had ended between the two: the objects are gone, the row does not know.
    for key in await keys(store, exported):
        await obstore.delete_async(store, key)
    await api.resources.sweeper.sweep()
    assert await postgres.fetchval(marked, exported) is True


async def test_what_a_dead_worker_left_of_a_failed_job_is_deleted(
    api: Api,
    admin: httpx.AsyncClient,
    postgres: "asyncpg.Connection",
    store: S3Store,
) -> None:
    """Its file goes once the job failed for good, and not while it may still succeed."""
    job = await create_job(admin)
    await obstore.put_async(store, f"exports/{job['id']}/1/users.csv.gz", b"x")
    claimed = "UPDATE jobs SET claims = 1, attempts = 1 WHERE id = $1"
    await postgres.execute(claimed, job["id"])
    await api.resources.sweeper.sweep()
    assert len(await keys(store, job["id"])) == 1
    failed = "UPDATE jobs SET status = 'failed', finished_at = now() WHERE id = $1"
    await postgres.execute(failed, job["id"])
    await api.resources.sweeper.sweep()
    assert await keys(store, job["id"]) == []
    again = await admin.post(f"{JOBS}/{job['id']}/retry")
    assert (again.status_code, again.json()["expired"]) == (200, False)


async def test_old_rows_are_forgotten(
    api: Api, admin: httpx.AsyncClient, postgres: "asyncpg.Connection", exported: str
) -> None:
    """A job that ended 91 days ago is deleted, unless its file is still there."""
    old = "UPDATE jobs SET status = $2, finished_at = now() - interval '91 days' WHERE id = $1"
    failed, recent = await create_job(admin), await create_job(admin)
    await postgres.execute(old, failed["id"], "failed")
    await postgres.execute(old, exported, "succeeded")
    await postgres.execute(
        "UPDATE jobs SET status = 'failed', finished_at = now() - interval '89 days' WHERE id = $1",
        recent["id"],
    )
    await api.resources.sweeper.sweep()
    found = {job: (await admin.get(f"{JOBS}/{job}")).status_code for job in (
        failed["id"], recent["id"], exported,
    )}  # fmt: skip
    assert list(found.values()) == [404, 200, 200]
    await expire(postgres, exported)
    for _ in range(2):
        await api.resources.sweeper.sweep()
    assert (await admin.get(f"{JOBS}/{exported}")).status_code == 404


async def test_the_setting_is_for_jobs_to_come(settings: Settings, people: People) -> None:
    """RESULT_DAYS is kept with the job, so that a later change breaks no promise."""
    person = await people.create("manager")
    short = settings.model_copy(update={"result_days": 2})
    async with run_api(short) as api, api.client(person.token) as client:
        job = await create_job(client, key=uuid4().hex)
        async with api.resources.database.read() as connection:
            days = (
                await connection.exec_driver_sql(
                    "SELECT result_days FROM jobs WHERE id = $1", (job["id"],)
                )
            ).scalar()
    assert days == 2
