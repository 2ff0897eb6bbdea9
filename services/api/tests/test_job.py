"""Seeing, cancelling, retrying and downloading jobs."""

import gzip
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2 as httpx
import obstore
import pytest
from obstore.store import S3Store

from app.settings import Settings
from tests.jobs import claim, create_job, finish, set_job
from tests.people import People
from tests.running import http_client, run_api

pytestmark = pytest.mark.anyio
JOBS = "/api/v1/jobs"


async def test_one_sees_ones_own_jobs(people: People) -> None:
    """Without job:read_all one sees one's own jobs, and no trace of others'."""
    permissions = ("export:create", "job:read")
    mine, theirs = await people.create_with(*permissions), await people.create_with(*permissions)
    async with (
        mine.client() as me,
        theirs.client() as them,
        (await people.create("manager")).client() as manager,
    ):
        job = await create_job(me)
        assert [item["id"] for item in (await me.get(JOBS)).json()["items"]] == [job["id"]]
        assert (await them.get(JOBS)).json()["items"] == []
        for method, path in (
            ("GET", ""),
            ("POST", "/cancel"),
            ("POST", "/retry"),
            ("GET", "/download"),
        ):
            response = await them.request(method, f"{JOBS}/{job['id']}{path}")
            assert (response.status_code, response.json()["code"]) == (404, "job_not_found")
        assert (await manager.get(f"{JOBS}/{job['id']}")).status_code == 200
        listed = (await manager.get(JOBS)).json()["items"]
        assert job["id"] in {item["id"] for item in listed}


async def test_jobs_page_newest_first(people: People, postgres: "asyncpg.Connection") -> None:
    """Walking the pages shows each job once, newest first; status filters."""
    person = await people.create_with("export:create", "job:read")
    async with person.client() as client:
        made = [(await create_job(client))["id"] for _ in range(5)]
        seen: list[str] = []
        params: dict[str, Any] = {"limit": 2}
        while True:
            page = (await client.get(JOBS, params=params)).json()
            seen += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert seen == made[::-1]
        await set_job(postgres, made[0], status="failed", error="no luck")
        failed = (await client.get(JOBS, params={"status": "failed"})).json()["items"]
        assert [(item["id"], item["error"]) for item in failed] == [(made[0], "no luck")]
        assert (await client.get(JOBS, params={"status": "odd"})).status_code == 422
        assert (await client.get(JOBS, params={"cursor": "odd"})).status_code == 422


async def test_a_queued_job_is_cancelled_at_once(
    admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """Cancelling a queued job ends it; cancelling it again is refused with 409."""
    job = await create_job(admin)
    response = await admin.post(f"{JOBS}/{job['id']}/cancel")
    assert response.status_code == 200
    assert response.json()["status"] == "cancelled"
    assert response.json()["finished_at"]
    again = await admin.post(f"{JOBS}/{job['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "job_state")
    assert await postgres.fetchval("SELECT count(*) FROM outbox WHERE job_id = $1", job["id"]) == 0


async def test_a_running_job_is_asked_to_stop(
    admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """Cancelling a running job leaves the ending to its worker; doing so twice is harmless."""
    job = await create_job(admin)
    await claim(postgres, job["id"])
    for _ in range(2):
        response = await admin.post(f"{JOBS}/{job['id']}/cancel")
        assert response.status_code == 200
        assert response.json()["status"] == "running"
        assert response.json()["cancel_requested"] is True


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_retry_starts_over(
    admin: httpx.AsyncClient, postgres: "asyncpg.Connection", status: str
) -> None:
    """Retrying a failed or cancelled job makes it as good as new."""
    job = await create_job(admin)
    await claim(postgres, job["id"])
    await set_job(
        postgres, job["id"], status=status, attempts=5, error="no luck", cancel_requested=True,
        progress_done=7, progress_total=9,
    )  # fmt: skip
    response = await admin.post(f"{JOBS}/{job['id']}/retry")
    assert response.status_code == 200
    assert response.json() == job


@pytest.mark.parametrize("status", ["queued", "running", "succeeded"])
async def test_other_jobs_are_not_retried(
    admin: httpx.AsyncClient, postgres: "asyncpg.Connection", status: str
) -> None:
    """Retrying a job that waits, runs or succeeded is refused with 409."""
    job = await create_job(admin)
    await set_job(postgres, job["id"], status=status)
    assert (await admin.post(f"{JOBS}/{job['id']}/retry")).status_code == 409


async def test_download_needs_a_file(admin: httpx.AsyncClient) -> None:
    """A job without a file is refused with 409."""
    job = await create_job(admin)
    response = await admin.get(f"{JOBS}/{job['id']}/download")
    assert (response.status_code, response.json()["code"]) == (409, "job_not_ready")


def bucket(settings: Settings) -> S3Store:
    """The bucket, for what the worker would put there."""
    return S3Store(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        region=settings.s3_region,
        client_options={"allow_http": True},
    )


async def test_download_leads_to_the_file(
    settings: Settings, admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """The redirect serves the file to anybody; a wrong signature, or none, is refused."""
    job, store = await create_job(admin), bucket(settings)
    key = f"exports/{job['id']}/1/users-20260101-000000.csv.gz"
    content = gzip.compress(b"id,email\n")
    await obstore.put_async(store, key, content)
    try:
        await finish(postgres, job["id"], key)
        response = await admin.get(f"{JOBS}/{job['id']}/download")
        assert response.status_code == 307
        url = response.headers["location"]
        assert url.startswith(f"{settings.s3_public_endpoint}/{settings.s3_bucket}/{key}?")
        async with http_client() as anybody:
            assert (await anybody.get(url)).content == content
            wrong = url[:-4] + ("0000" if url[-4:] != "0000" else "1111")
            assert (await anybody.get(wrong)).status_code == 403
            assert (await anybody.get(url.split("?")[0])).status_code in (400, 403)
            assert (await anybody.get(url.replace("users-", "other-"))).status_code == 403
        wish = {"Accept": "application/json"}
        body = (await admin.get(f"{JOBS}/{job['id']}/download", headers=wish)).json()
        assert body["url"].split("?")[0] == url.split("?")[0]
        assert body["expires_at"] > job["created_at"]
    finally:
        await obstore.delete_async(store, key)


async def test_a_file_that_is_gone_is_404(
    admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """A job whose file was deleted answers 404, not a link that leads nowhere."""
    job = await create_job(admin)
    await finish(postgres, job["id"], f"exports/{uuid4()}/1/users.csv.gz")
    response = await admin.get(f"{JOBS}/{job['id']}/download")
    assert (response.status_code, response.json()["code"]) == (404, "file_not_found")


async def test_download_without_storage_is_503(
    settings: Settings, people: People, postgres: "asyncpg.Connection"
) -> None:
    """While the storage is away a download answers 503 with Retry-After."""
    person = await people.create("manager")
    lonely = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    async with run_api(lonely) as api, api.client(person.token) as client:
        job = await create_job(client)
        await finish(postgres, job["id"], "exports/x/1/users.csv.gz")
        response = await client.get(f"{JOBS}/{job['id']}/download")
    assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
    assert response.headers["retry-after"]


async def test_rows_of_other_versions_break_no_list(
    people: People, postgres: "asyncpg.Connection"
) -> None:
    """A job with parameters that this version does not know is listed all the same."""
    person = await people.create("manager")
    job_id = await postgres.fetchval(
        "INSERT INTO jobs (type, params, requested_by) VALUES ('export', '{\"type\":\"new\"}', $1)"
        " RETURNING id::text",
        person.id,
    )
    async with person.client() as client:
        assert (await client.get(f"{JOBS}/{job_id}")).status_code == 200
        assert (await client.get(JOBS)).status_code == 200
