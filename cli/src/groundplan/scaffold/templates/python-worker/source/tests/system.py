"""A database, queue and bucket of a test's own, with a stand-in for the relay and the sweeper."""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import asyncpg
import httpx2 as httpx
import obstore
from aio_pika.abc import AbstractChannel, AbstractExchange
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.broker import ROUTING_KEY, declare_topology
from app.settings import Settings, split_address
from app.signature import presign
from app.worker import run_worker
from tests import scripted
from tests.waiting import eventually

TESTS = Path(__file__).parent
TAKE = """
    DELETE FROM outbox RETURNING job_id, message, headers,
        extract(epoch FROM available_at - created_at)::float8 AS delay
"""
# No test waits for a delay.
HURRY = "UPDATE jobs SET enqueued_at = now() WHERE enqueued_at > now()"
ADD = """
    INSERT INTO jobs (type, params, max_attempts, headers, requested_by)
    VALUES ($1, $2, $3, $4, coalesce((SELECT id FROM users LIMIT 1), gen_random_uuid()))
    RETURNING id
"""
READ = """
    SELECT status, attempts, progress_done, progress_total, error, result,
        coalesce(lease_expires_at > now(), false) AS leased FROM jobs WHERE id = $1
"""
ADD_USERS = """
    INSERT INTO users (name, email, password_hash, role_id)
    SELECT 'User ' || i || repeat('x', 500), 'user' || i || '@example.com', 'x', roles.id
    FROM generate_series(1, $1) i, roles
"""


class System:
    """What a test sees of the servers. The relay does not wait: it notes the delay."""

    def __init__(self, settings: Settings, pool: "asyncpg.Pool", channel: AbstractChannel) -> None:
        self.settings = settings
        self.pool = pool
        self.channel = channel
        self.exchange: AbstractExchange
        self.relayed: list[dict[str, Any]] = []
        self.store = S3Store(
            settings.s3_bucket,
            endpoint=settings.s3_endpoint,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key.get_secret_value(),
            region=settings.s3_region,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def environment(self, **changes: str) -> dict[str, str]:
        """Of a worker process on these servers."""
        own = {
            "HOST": "127.0.0.1",
            "PORT": "0",
            "POSTGRES_DB": self.settings.postgres_db,
            "JOB_QUEUE": self.settings.job_queue,
            "S3_BUCKET": self.settings.s3_bucket,
            "WORKER_LEASE_SECONDS": "2",
        }
        return {**os.environ, **own, **changes}

    async def add_user(self, name: str) -> UUID:
        """Add a user."""
        user_id: UUID = await self.pool.fetchval(
            "INSERT INTO users (name, email, password_hash, role_id)"
            " SELECT $1, $2, 'never-export-this', id FROM roles RETURNING id",
            name,
            f"{uuid4()}@example.com",
        )
        return user_id

    async def add_users(self, count: int) -> None:
        """Add rows of about 600 bytes each."""
        await self.pool.execute(ADD_USERS, count)

    async def add_job(
        self,
        kind: str = "scripted",
        max_attempts: int = 5,
        headers: dict[str, str] | None = None,
        **params: Any,
    ) -> UUID:
        """Add a job."""
        job_id: UUID = await self.pool.fetchval(
            ADD, kind, json.dumps(params), max_attempts, json.dumps(headers or {})
        )
        return job_id

    async def add_export(
        self, file_format: str = "csv", compression: str = "none", max_attempts: int = 5
    ) -> UUID:
        """Add an export of all users."""
        return await self.add_job(
            "export", max_attempts, type="users", format=file_format, compression=compression
        )

    async def publish(self, body: str, headers: dict[str, str] | None = None) -> None:
        """Send a message to the workers."""
        message = aio_pika.Message(body.encode(), headers=dict(headers or {}))
        await self.exchange.publish(message, ROUTING_KEY)

    async def job(self, job_id: UUID) -> dict[str, Any]:
        """The row of a job."""
        row = dict(await self.pool.fetchrow(READ, job_id))
        return row | {"result": json.loads(row["result"]) if row["result"] else None}

    async def reaches(self, job_id: UUID, status: str) -> dict[str, Any]:
        """Wait for a status and return the job then."""

        async def job_with_status() -> dict[str, Any] | None:
            job = await self.job(job_id)
            return job if job["status"] == status else None

        return await eventually(job_with_status)

    async def error_of(self, job_id: UUID) -> str:
        """Wait until an attempt failed, and return what people read."""

        async def error() -> str | None:
            found: str | None = (await self.job(job_id))["error"]
            return found

        return await eventually(error)

    async def update(self, job_id: UUID, assignment: str) -> None:
        """Write behind the worker's back."""
        await self.pool.execute(f"UPDATE jobs SET {assignment} WHERE id = $1", job_id)  # noqa: S608 - from tests

    async def effects(self, job_id: UUID) -> list[int]:
        """Attempts whose handler ran; a 0 for each that was cancelled."""
        rows = await self.pool.fetch(
            "SELECT attempt FROM effects WHERE job_id = $1 ORDER BY attempt", job_id
        )
        return [row["attempt"] for row in rows]

    async def dead_letter(self) -> str:
        """Wait for a dead letter and take it."""
        queue = await self.channel.get_queue(f"{self.settings.job_queue}.dead", ensure=False)

        async def take() -> str | None:
            message = await queue.get(no_ack=True, fail=False)
            return message.body.decode() if message else None

        return await eventually(take)

    async def has_no_dead_letter(self) -> None:
        """Check that everything sent so far has been settled, and none of it is dead."""
        marker = str(uuid4())
        await self.publish(marker)
        assert await self.dead_letter() == marker

    async def copies(self) -> int:
        """How many connections run a COPY at the moment."""
        count: int = await self.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'COPY%' AND state = 'active'"
        )
        return count

    async def keys(self, job_id: UUID) -> list[str]:
        """Keys of the files of a job."""
        with suppress(FileNotFoundError):
            found = await obstore.list(self.store, f"exports/{job_id}").collect_async()
            return [item["path"] for item in found]
        return []

    async def open_uploads(self) -> str:
        """What the storage says of uploads that were begun and neither completed nor aborted."""
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(presign(self.settings, "GET", "", uploads=""))
        return response.text if response.is_success and "<Upload>" in response.text else ""

    async def read(self, result: dict[str, Any]) -> str:
        """The text of an exported file, unpacked."""
        answer = await obstore.get_async(self.store, result["key"])
        content = bytes(await answer.bytes_async())
        assert len(content) == result["bytes"]
        return (gzip.decompress(content) if result["key"].endswith(".gz") else content).decode()

    async def relay_all(self) -> None:
        """Send what is in the outbox, and queue jobs again whose lease ran out, for ever."""
        while True:
            await self.pool.execute("SELECT sweep_jobs()")
            rows = await self.pool.fetch(TAKE)
            await self.pool.execute(HURRY)
            for row in rows:
                headers = json.loads(row["headers"])
                self.relayed.append(dict(row) | {"headers": headers})
                await self.publish(row["message"], headers)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def create_system() -> AsyncIterator[System]:
    """Make all of it on the servers of the environment, and remove it again."""
    name = f"worker_test_{uuid4().hex[:8]}"
    settings = Settings().model_copy(
        update={
            "postgres_db": name,
            "job_queue": name,
            "s3_bucket": name.replace("_", "-"),
            "worker_lease_seconds": 3.0,
        }
    )
    async with (
        _database(settings) as pool,
        await aio_pika.connect(**_broker(settings)) as connection,
    ):
        channel = await connection.channel()
        system = System(settings, pool, channel)
        await declare_topology(channel, name)
        system.exchange = await channel.get_exchange(name)
        relay = asyncio.create_task(system.relay_all())
        try:
            yield system
        finally:
            relay.cancel()
            for each in (name, f"{name}.dead"):
                await channel.queue_delete(each)
                await channel.exchange_delete(each)
            await _remove_bucket(system)


@asynccontextmanager
async def run_scripted(system: System, contracts: Path) -> AsyncIterator[None]:
    """A worker in this process whose job types are those of tests/scripted."""
    settings = system.settings
    message_schema = "job-message.schema.json"
    (contracts / "jobs").mkdir(parents=True, exist_ok=True)
    for source, file in (
        (settings.contracts_dir, message_schema),
        (TESTS / "contracts", "jobs/scripted.schema.json"),
    ):
        (contracts / file).write_text((source / file).read_text())
    own = settings.model_copy(update={"contracts_dir": contracts})
    async with run_worker(own, scripted):
        yield


def _broker(settings: Settings) -> dict[str, Any]:
    host, port = split_address(settings.rabbitmq_address)
    return {
        "host": host,
        "port": port,
        "login": settings.rabbitmq_default_user,
        "password": settings.rabbitmq_default_pass.get_secret_value(),
    }


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator["asyncpg.Pool"]:
    host, port = split_address(settings.postgres_address)
    access: dict[str, Any] = {
        "host": host,
        "port": port,
        "user": settings.postgres_user,
        "password": settings.postgres_password.get_secret_value(),
    }
    owner = await asyncpg.connect(**access, database="postgres")
    await owner.execute(f"CREATE DATABASE {settings.postgres_db}")
    try:
        async with asyncpg.create_pool(
            **access, database=settings.postgres_db, min_size=1, max_size=5
        ) as pool:
            await pool.execute((TESTS / "schema.sql").read_text())
            await pool.execute("CREATE TABLE effects (job_id uuid, attempt int)")
            await pool.execute("GRANT ALL ON effects TO groundplan_worker")
            await pool.execute("INSERT INTO roles (name) VALUES ('viewer')")
            yield pool
    finally:
        await owner.execute(f"DROP DATABASE {settings.postgres_db} WITH (FORCE)")
        await owner.close()


async def _remove_bucket(system: System) -> None:
    with suppress(BaseError):
        # rclone leaves the folder of an aborted upload; it goes with the next file in it.
        for row in await system.pool.fetch("SELECT id FROM jobs WHERE type = 'export'"):
            await obstore.put_async(system.store, f"exports/{row['id']}/1/last", b"x")
        found = await obstore.list(system.store).collect_async()
        await obstore.delete_async(system.store, [item["path"] for item in found])
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.delete(presign(system.settings, "DELETE", ""))
