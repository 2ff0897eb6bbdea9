"""From the outbox to the broker, whatever breaks on the way."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx2 as httpx
import jsonschema
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from app.resources import Resources
from app.settings import Settings
from tests import database, failpoint, servers
from tests.jobs import create_job
from tests.people import People
from tests.process import run
from tests.proxy import Proxy
from tests.running import run_api
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@dataclass
class Broker:
    """What a test sees of RabbitMQ."""

    channel: AbstractChannel
    name: str

    async def take(self, count: int, within_s: float = 15) -> list[AbstractIncomingMessage]:
        """Wait for that many messages and take them."""
        queue = await self.channel.get_queue(self.name, ensure=False)
        messages: list[AbstractIncomingMessage] = []

        async def enough() -> bool:
            while message := await queue.get(fail=False, no_ack=True):
                messages.append(message)
            return len(messages) >= count

        await eventually(enough, within_s)
        return messages


@pytest.fixture
async def broker(own_settings: Settings) -> AsyncIterator[Broker]:
    """A connection to RabbitMQ past any proxy."""
    async with await servers.broker_connection(own_settings) as connection:
        yield Broker(await connection.channel(), own_settings.job_queue)


@pytest.fixture
async def own_postgres(own_settings: Settings) -> AsyncIterator["asyncpg.Connection"]:
    """A connection to the database of this test, past any proxy."""
    connection = await database.connect(own_settings, own_settings.postgres_db)
    yield connection
    await connection.close()


def job_ids(messages: list[AbstractIncomingMessage]) -> list[str]:
    """The jobs that the messages are about."""
    return [json.loads(message.body)["job_id"] for message in messages]


async def test_messages_match_the_contract(own_settings: Settings, broker: Broker) -> None:
    """A message is persistent JSON, valid against the contract, with id, type and trace context."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with run_api(own_settings) as api:
        async with (await People(api).create("admin")).client() as client:
            client.headers["traceparent"] = trace
            job = await create_job(client)
        (message,) = await broker.take(1)
    contract: dict[str, Any] = json.loads(
        (own_settings.contracts_dir / "job-message.schema.json").read_text()
    )
    jsonschema.Draft202012Validator(
        contract, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(json.loads(message.body))
    assert job_ids([message]) == [job["id"]]
    assert message.content_type == "application/json"
    assert message.delivery_mode == 2
    assert message.message_id
    assert message.type == "export"
    assert message.headers["traceparent"] == trace


async def test_the_outbox_empties(
    own_settings: Settings,
    broker: Broker,
    own_postgres: "asyncpg.Connection",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of 150 jobs asked for in bursts is published once, and the outbox is empty then."""
    # What a busy broker confirms late would be published again.
    monkeypatch.setattr("app.broker.CONFIRM_TIMEOUT_S", 60)
    jobs: list[dict[str, Any]] = []
    async with run_api(own_settings) as api:
        async with (await People(api).create("admin")).client() as client:
            for _ in range(3):
                jobs += await asyncio.gather(*(create_job(client) for _ in range(50)))
        messages = await broker.take(150, within_s=60)
        await eventually(lambda: _is_empty(own_postgres))
    assert sorted(job_ids(messages)) == sorted(job["id"] for job in jobs)


async def _is_empty(connection: "asyncpg.Connection") -> bool:
    return bool(await connection.fetchval("SELECT count(*) = 0 FROM outbox"))


async def test_jobs_wait_while_the_broker_is_away(own_settings: Settings, broker: Broker) -> None:
    """Without the broker exports are accepted as ever, and each is published when it is back."""
    async with Proxy(own_settings.rabbitmq_address) as proxy:
        behind = own_settings.model_copy(update={"rabbitmq_address": proxy.address})
        async with run_api(behind) as api, (await People(api).create("admin")).client() as client:
            first = await create_job(client)
            await broker.take(1)
            await proxy.cut()
            waiting = [await create_job(client) for _ in range(20)]
            ready = await client.get("/readyz")
            assert ready.status_code == 200
            await eventually(lambda: _degraded(client, "rabbitmq"))
            await proxy.restore()
            messages = await broker.take(20)
    assert first["id"] not in job_ids(messages)
    assert set(job_ids(messages)) == {job["id"] for job in waiting}


async def _degraded(client: httpx.AsyncClient, name: str) -> bool:
    ready = (await client.get("/readyz")).json()
    return bool(ready["status"] == "degraded" and ready["checks"][name] == "unavailable")


async def test_the_relay_survives_the_database(own_settings: Settings, broker: Broker) -> None:
    """After an outage of PostgreSQL relay, notifications and API go on by themselves."""
    async with Proxy(own_settings.postgres_address) as proxy:
        behind = own_settings.model_copy(update={"postgres_address": proxy.address})
        async with run_api(behind) as api, (await People(api).create("admin")).client() as client:
            first = await create_job(client)
            await broker.take(1)
            await proxy.cut()
            refused = await client.post("/api/v1/export", json={"type": "users"})
            assert refused.status_code == 503
            await eventually(lambda: _unavailable(client))
            await proxy.restore()
            job = await eventually(lambda: _accepted(client))

            async def sent() -> bool:
                # The cut may have hit just before the first one's row was deleted: it comes again.
                found = job_ids(await broker.take(1))
                assert set(found) <= {first["id"], job}
                return job in found

            await eventually(sent)


async def _unavailable(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 503


async def _accepted(client: httpx.AsyncClient) -> str | None:
    response = await client.post("/api/v1/export", json={"type": "users"})
    return str(response.json()["id"]) if response.status_code == 202 else None


async def test_an_unroutable_message_stays_and_says_so(
    own_settings: Settings, broker: Broker, own_postgres: "asyncpg.Connection"
) -> None:
    """Without the binding the row stays with the reason; with it the message goes out."""
    async with run_api(own_settings) as api, (await People(api).create("admin")).client() as client:
        await create_job(client)
        await broker.take(1)
        queue = await broker.channel.get_queue(own_settings.job_queue)
        await queue.unbind(own_settings.job_queue, "jobs")
        job = await create_job(client)
        reason = await eventually(lambda: own_postgres.fetchval("SELECT error FROM outbox"))
        assert "no queue is bound" in reason
        await queue.bind(own_settings.job_queue, "jobs")
        await own_postgres.execute("UPDATE outbox SET available_at = now()")
        assert job_ids(await broker.take(1)) == [job["id"]]
        await eventually(lambda: _is_empty(own_postgres))


async def test_half_open_connections_to_the_broker_are_replaced(
    own_settings: Settings, broker: Broker
) -> None:
    """When the broker's end of the connection is gone without a word, a new one is taken soon."""
    async with Proxy(own_settings.rabbitmq_address) as proxy:
        behind = own_settings.model_copy(update={"rabbitmq_address": proxy.address})
        async with run_api(behind) as api, (await People(api).create("manager")).client() as client:
            await create_job(client)
            await broker.take(1)
            proxy.forget()
            job = await create_job(client)
            assert job["id"] in job_ids(await broker.take(1, within_s=30))


async def test_jobs_wait_for_the_exchange(own_settings: Settings, broker: Broker) -> None:
    """Until a worker has declared the exchange jobs wait in the outbox, and nothing is lost."""
    await servers.delete_queue(own_settings)
    async with run_api(own_settings) as api, (await People(api).create("admin")).client() as client:
        first = await create_job(client)
        await eventually(lambda: _degraded(client, "rabbitmq"))
        await servers.declare_queue(own_settings)
        assert job_ids(await broker.take(1)) == [first["id"]]
        await servers.delete_queue(own_settings)
        second = await create_job(client)
        await eventually(lambda: _degraded(client, "rabbitmq"))
        await servers.declare_queue(own_settings)
        assert job_ids(await broker.take(1)) == [second["id"]]


async def test_delayed_messages_wait(
    own_settings: Settings, broker: Broker, own_postgres: "asyncpg.Connection"
) -> None:
    """A message is published once it is due, not before."""
    async with run_api(own_settings) as api, (await People(api).create("admin")).client() as client:
        job = await create_job(client)
        await broker.take(1)
        await own_postgres.execute(
            "INSERT INTO outbox (job_id, routing_key, message, available_at)"
            " SELECT id, 'jobs', json_build_object('job_id', id, 'type', type),"
            " now() + interval '1 second' FROM jobs"
        )
        started = asyncio.get_running_loop().time()
        assert job_ids(await broker.take(1)) == [job["id"]]
        assert asyncio.get_running_loop().time() - started > 0.8


async def test_two_relays_publish_each_message_once(own_settings: Settings, broker: Broker) -> None:
    """Two processes share the outbox: nothing is published twice."""
    async with run_api(own_settings) as one, run_api(own_settings) as two:
        person = await People(one).create("admin")
        async with person.client() as here, two.client(person.token) as there:
            jobs = await asyncio.gather(
                *(create_job(client) for client in (here, there) for _ in range(40))
            )
        messages = await broker.take(80)
        await asyncio.sleep(0.3)
        messages += await broker.take(0)
    assert sorted(job_ids(messages)) == sorted(job["id"] for job in jobs)


@pytest.mark.parametrize("step", failpoint.STEPS)
async def test_a_relay_may_die_anywhere(
    own_settings: Settings, broker: Broker, own_postgres: "asyncpg.Connection", step: str
) -> None:
    """Killed before or after the publish, the confirm or the delete, another sends what is left."""
    user = await own_postgres.fetchval("SELECT id FROM users LIMIT 1")
    job = await own_postgres.fetchval(
        "INSERT INTO jobs (type, params, requested_by) VALUES ('export', '{}', $1)"
        " RETURNING id::text",
        user,
    )
    status, out = await run(own_settings, "tests.failpoint", step)
    assert status == 9, out
    assert await own_postgres.fetchval("SELECT count(*) FROM outbox") == 1
    async with run_api(own_settings):
        messages = await broker.take(1)
        await eventually(lambda: _is_empty(own_postgres))
        messages += await broker.take(0)
    # On the wire it may be there twice.
    assert set(job_ids(messages)) == {job}
    assert len(messages) <= 2


@pytest.mark.parametrize("turns", range(6))
async def test_a_wake_up_does_not_keep_it_running(own_settings: Settings, turns: int) -> None:
    """Cancelled, the relay ends, however close a notification has come before."""
    resources = Resources(own_settings)
    task = asyncio.create_task(resources.relay.run())
    try:
        await eventually(lambda: _is_connected(resources))
        await asyncio.sleep(0.2)  # it waits again
        resources.relay.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        _, pending = await asyncio.wait((task,), timeout=5)
        assert not pending
    finally:
        task.cancel()
        await resources.close()


async def _is_connected(resources: Resources) -> bool:
    return resources.relay.connected
