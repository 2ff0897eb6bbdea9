"""Asking for exports."""

import asyncio
import json
from itertools import product
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2 as httpx
import jsonschema
import pytest

from app.export.schemas import ExportParams
from app.settings import Settings
from tests import database
from tests.jobs import create_job
from tests.people import People

pytestmark = pytest.mark.anyio
EXPORT = "/api/v1/export"


async def test_export_is_accepted(admin: httpx.AsyncClient) -> None:
    """An export is answered with 202, a queued job and its Location."""
    response = await admin.post(EXPORT, json={"type": "users"})
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert job["status"] == "queued"
    assert job["params"] == {"type": "users", "format": "csv", "compression": "gzip"}
    assert job["progress"] == {"done": 0, "total": None}
    assert (await admin.get(response.headers["location"])).json()["id"] == job["id"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "secrets"},
        {"type": "users", "format": "xml"},
        {"type": "users", "x": 1},
        [],
        None,
    ],
    ids=str,
)
async def test_invalid_exports_are_refused(admin: httpx.AsyncClient, body: Any) -> None:
    """An export that the contract does not allow is refused with 422."""
    assert (await admin.post(EXPORT, json=body)).status_code == 422


async def test_job_and_message_are_stored_together(
    admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """What the API stores of a job is valid against the contract."""
    job = await create_job(admin, format="jsonl", compression="none")
    params = await postgres.fetchval("SELECT params::text FROM jobs WHERE id = $1", job["id"])
    assert json.loads(params) == {"type": "users", "format": "jsonl", "compression": "none"}


async def test_same_key_gives_the_same_job(admin: httpx.AsyncClient) -> None:
    """The same Idempotency-Key with the same body gives the same job again, and says so."""
    headers = {"Idempotency-Key": uuid4().hex}
    first = await admin.post(EXPORT, json={"type": "users"}, headers=headers)
    again = await admin.post(EXPORT, json={"type": "users", "format": "csv"}, headers=headers)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.status_code == 202
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["id"] == first.json()["id"]


async def test_same_key_with_another_body_is_refused(admin: httpx.AsyncClient) -> None:
    """The same Idempotency-Key with another body is refused with 422."""
    headers = {"Idempotency-Key": uuid4().hex}
    await admin.post(EXPORT, json={"type": "users"}, headers=headers)
    other = await admin.post(EXPORT, json={"type": "users", "format": "jsonl"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_50_at_once_with_one_key_make_one_job(
    admin: httpx.AsyncClient, postgres: "asyncpg.Connection"
) -> None:
    """Of 50 requests at once with one key one makes the job, and 49 are replays of it."""
    headers = {"Idempotency-Key": uuid4().hex}
    before = await postgres.fetchval("SELECT count(*) FROM jobs")
    answers = await asyncio.gather(
        *(admin.post(EXPORT, json={"type": "users"}, headers=headers) for _ in range(50))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
    assert await postgres.fetchval("SELECT count(*) FROM jobs") == before + 1


async def test_a_twin_that_takes_long_is_told(
    people: People, settings: Settings, postgres: "asyncpg.Connection"
) -> None:
    """While the first request with a key is under way for seconds, the second is answered 409."""
    person, key = await people.create("manager"), uuid4().hex
    other = await database.connect(settings, settings.postgres_db)
    async with person.client() as client, other.transaction():
        await other.execute(
            "INSERT INTO idempotency_keys VALUES ($1, $2, 'x', gen_random_uuid())", person.id, key
        )
        headers = {"Idempotency-Key": key}
        twin = await client.post(EXPORT, json={"type": "users"}, headers=headers)
    await other.close()
    assert (twin.status_code, twin.json()["code"]) == (409, "idempotency_key_in_use")
    mine = "SELECT count(*) FROM jobs WHERE requested_by = $1"
    assert await postgres.fetchval(mine, person.id) == 0


async def test_keys_belong_to_a_user(people: People) -> None:
    """Two users may use the same key for jobs of their own."""
    key = uuid4().hex
    jobs = []
    for _ in range(2):
        async with (await people.create("manager")).client() as client:
            jobs.append(await create_job(client, key))
    assert jobs[0]["id"] != jobs[1]["id"]


@pytest.mark.parametrize("key", ["", "x" * 201, "with space", "tab\there"])
async def test_bad_keys_are_refused(admin: httpx.AsyncClient, key: str) -> None:
    """An empty, overlong or unprintable Idempotency-Key is refused with 422."""
    response = await admin.post(EXPORT, json={"type": "users"}, headers={"Idempotency-Key": key})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "header.idempotency-key"


def test_params_match_the_contract(settings: Settings) -> None:
    """The API accepts exactly the parameters that contracts/jobs/export.schema.json allows."""
    path = settings.contracts_dir / "jobs" / "export.schema.json"
    contract = json.loads(path.read_text())
    validator = jsonschema.Draft202012Validator(contract)
    values = {
        name: [*rule["enum"], "other", None, 1] for name, rule in contract["properties"].items()
    }
    for combination in product(*values.values()):
        params = dict(zip(values, combination, strict=True))
        for candidate in (params, {**params, "extra": 1}):
            assert _accepted(candidate) == validator.is_valid(candidate), candidate
    assert validator.is_valid(ExportParams(type="users").model_dump())


def _accepted(params: dict[str, Any]) -> bool:
    try:
        ExportParams.model_validate(params)
    except ValueError:
        return False
    return True
