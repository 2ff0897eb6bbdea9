"""Traces: what is told of a request and of whom it asks, and that telling never hurts."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from aio_pika.abc import AbstractIncomingMessage

from app.event import service as event_service
from app.settings import Settings
from app.telemetry import exporter
from app.telemetry.sql import describe
from tests import database, servers
from tests.jobs import claim, create_job, finish
from tests.people import PASSWORD, People, Person
from tests.proxy import Proxy
from tests.running import Api, run_api
from tests.sink import Received, Sink, run_sink
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
FOLDER = Path(__file__).parents[1]


def new_trace() -> tuple[str, dict[str, str]]:
    """A trace id, and the header of a caller who traces."""
    trace_id = token_hex(16)
    return trace_id, {"traceparent": f"00-{trace_id}-{token_hex(8)}-01"}


@dataclass
class Traced:
    """An API that sends traces, and who receives them."""

    api: Api
    sink: Sink
    settings: Settings
    admin: Person

    async def ask(self, method: str, path: str, **options: Any) -> tuple[httpx.Response, "Spans"]:
        """Send one request as the admin; its answer and its spans."""
        trace_id, headers = new_trace()
        async with self.admin.client() as client:
            answer = await client.request(method, path, headers=headers, **options)
        return answer, Spans(await self.sink.trace(trace_id))

    async def message(self, job_id: str) -> AbstractIncomingMessage:
        """Take messages out of the queue of jobs until that of the job comes."""
        async with await servers.broker_connection(self.settings) as connection:
            queue = await (await connection.channel()).get_queue(self.settings.job_queue)

            async def take() -> AbstractIncomingMessage | None:
                message = await queue.get(fail=False, no_ack=True)
                return message if message and job_id in message.body.decode() else None

            message = await eventually(take)
            assert message
            return message


@dataclass
class Spans:
    """The spans of one trace."""

    all: list[Received]

    @property
    def server(self) -> Received:
        """The only one of a request."""
        (span,) = [span for span in self.all if span.kind == "server"]
        return span

    @property
    def calls(self) -> list[str]:
        """What was asked of others, in order."""
        return [span.name for span in self.all if span.kind == "client"]

    def call(self, name: str) -> Received:
        """The only call of that name."""
        (span,) = [span for span in self.all if span.name == name]
        return span


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Send each 20 ms instead of twice a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporter, "DELAY_MS", 20)
        yield


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A receiver of this test alone."""
    with run_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
async def traced(module_settings: Settings) -> AsyncIterator[Traced]:
    """An API with data of its own, whose admin has been seen before."""
    with run_sink() as sink:
        settings = traced_settings(module_settings, sink.url)
        async with run_traced(settings, sink) as traced:
            yield traced


def traced_settings(settings: Settings, url: str) -> Settings:
    """The settings, with traces sent to `url`."""
    return settings.model_copy(update={"otel_exporter_otlp_endpoint": url})


@asynccontextmanager
async def run_traced(settings: Settings, sink: Sink) -> AsyncIterator[Traced]:
    """Run an API that sends traces to `sink`."""
    async with run_api(settings) as api:
        admin = await People(api).create("admin")
        async with admin.client() as client:
            assert (await client.get("/api/v1/auth/me")).status_code == 200
        yield Traced(api, sink, settings, admin)


async def test_a_request_is_a_span_of_its_callers_trace(traced: Traced) -> None:
    """It is named after its route, with method, path and status, below the caller's span."""
    person = await People(traced.api).create()
    trace_id, headers = new_trace()
    async with traced.admin.client() as client:
        await client.get(f"/api/v1/users/{person.id}?q=x", headers=headers)
    span = Spans(await traced.sink.trace(trace_id)).server
    assert span.parent_id == headers["traceparent"].split("-")[2]
    assert (span.service, span.name) == ("api", "GET /api/v1/users/{user_id}")
    assert not span.failed
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/api/v1/users/{user_id}",
        "http.response.status_code": 200,
        "url.path": f"/api/v1/users/{person.id}",
        "url.scheme": "http",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/nowhere", 404, "GET"),
        ("PROPFIND", "/nowhere", 404, "_OTHER"),
        ("DELETE", "/api/v1/auth/login", 405, "DELETE /api/v1/auth/login"),
        ("GET", "/api/v1/users/no-id", 422, "GET /api/v1/users/{user_id}"),
        ("GET", "/api/v1/system/info", 200, "GET /api/v1/system/info"),
    ],
)
async def test_names_stay_few(
    traced: Traced, method: str, path: str, status: int, name: str
) -> None:
    """Whatever a client asks for, a span has the name of a route or of a known method."""
    answer, spans = await traced.ask(method, path)
    assert (answer.status_code, spans.server.name) == (status, name)
    assert spans.server.attributes["http.response.status_code"] == status
    assert not spans.server.failed


async def test_the_read_flow(traced: Traced) -> None:
    """The list asks Redis, on a miss PostgreSQL and Redis again, and on a hit nobody else."""
    _, miss = await traced.ask("GET", "/api/v1/users")
    _, hit = await traced.ask("GET", "/api/v1/users")
    assert hit.calls == ["PIPELINE HGET GET", "EVALSHA", "MGET"]
    assert miss.calls == [*hit.calls, "SET", "SELECT users", "SET", "EVAL"]
    assert {span.parent_id for span in miss.all if span.kind == "client"} == {miss.server.span_id}
    host, port = traced.settings.postgres_address.split(":")
    assert miss.call("SELECT users").attributes == {
        "db.system.name": "postgresql",
        "db.operation.name": "SELECT",
        "db.collection.name": "users",
        "db.query.summary": "SELECT users",
        "server.address": host,
        "server.port": int(port),
    }
    host, port = traced.settings.redis_address.split(":")
    assert miss.call("MGET").attributes == {
        "db.system.name": "redis",
        "db.operation.name": "MGET",
        "server.address": host,
        "server.port": int(port),
    }


async def test_the_login_flow(traced: Traced) -> None:
    """Signing in reads the account and keeps the session; each address and e-mail is counted."""
    body = {"email": traced.admin.email, "password": PASSWORD}
    answer, spans = await traced.ask("POST", "/api/v1/auth/login", json=body)
    assert answer.status_code == 200
    others = [name for name in spans.calls if name != "EVALSHA"]
    assert others[:2] == ["SELECT users", "INSERT audit_events"]
    assert others[2].startswith("MULTI HSET EXPIRE")
    assert "EVALSHA" in spans.calls


async def test_the_job_flow(traced: Traced) -> None:
    """The message about a job carries the trace of the request that asked for it."""
    answer, spans = await traced.ask("POST", "/api/v1/export", json={"type": "users"})
    assert answer.status_code == 202
    assert "INSERT jobs" in spans.calls
    message = await traced.message(answer.json()["id"])
    spans = Spans(await traced.sink.trace(spans.server.trace_id, "producer"))
    publish = spans.call(f"publish {traced.settings.job_queue}")
    assert publish.parent_id == spans.server.span_id
    _, trace_id, span_id, flags = str(message.headers["traceparent"]).split("-")
    assert (trace_id, span_id, flags) == (publish.trace_id, publish.span_id, "01")
    host, port = traced.settings.rabbitmq_address.split(":")
    assert publish.attributes == {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
        "messaging.destination.name": traced.settings.job_queue,
        "server.address": host,
        "server.port": int(port),
    }


async def test_the_relay_has_a_trace_of_its_own(traced: Traced) -> None:
    """What a batch of messages costs the database belongs to no single request."""
    before = len(traced.sink.spans)
    await traced.ask("POST", "/api/v1/export", json={"type": "users"})

    async def relayed() -> list[Received]:
        spans = traced.sink.spans[before:]
        roots = [span.span_id for span in spans if span.name == "relay outbox"]
        return [span for span in spans if span.parent_id in roots]

    assert [span.name for span in await eventually(relayed)] == ["SELECT outbox", "DELETE outbox"]


async def test_a_download_asks_the_storage(traced: Traced) -> None:
    """A download looks for the object; that it is gone is a failed call and no failed request."""
    connection = await database.connect(traced.settings, traced.settings.postgres_db)
    async with traced.admin.client() as client:
        job = await create_job(client)
    await claim(connection, job["id"])
    await finish(connection, job["id"], f"exports/{uuid4()}.csv")
    await connection.close()
    answer, spans = await traced.ask("GET", f"/api/v1/jobs/{job['id']}/download")
    assert answer.status_code == 404
    call = spans.call("S3/HeadObject")
    assert call.failed
    assert call.attributes["error.type"] == "FileNotFoundError"
    assert call.attributes["rpc.method"] == "HeadObject"
    endpoint = httpx.URL(traced.settings.s3_endpoint)
    assert call.attributes["server.port"] == endpoint.port
    assert not spans.server.failed


async def test_a_revived_job_continues_its_own_trace(traced: Traced) -> None:
    """A message that the sweeper sends anew belongs to the trace of whoever asked for the job."""
    answer, asked = await traced.ask("POST", "/api/v1/export", json={"type": "users"})
    job_id = answer.json()["id"]
    await traced.message(job_id)
    connection = await database.connect(traced.settings, traced.settings.postgres_db)
    await claim(connection, job_id, lease="-1 second")
    await connection.close()
    before = len(traced.sink.spans)
    await traced.api.resources.sweeper.sweep()
    trace_id = str((await traced.message(job_id)).headers["traceparent"]).split("-")[1]
    assert trace_id == asked.server.trace_id

    async def swept() -> list[str]:
        spans = traced.sink.spans[before:]
        roots = [span.span_id for span in spans if span.name == "sweep jobs"]
        return [span.name for span in spans if span.parent_id in roots]

    assert (await eventually(swept))[0] == "SELECT sweep_jobs"


async def test_idleness_and_health_checks_send_nothing(traced: Traced) -> None:
    """Polls that find nothing, and probes, leave no spans: the only new trace is the request's."""
    await traced.ask("GET", "/api/v1/users")
    before = len(traced.sink.spans)
    await traced.api.resources.sweeper.sweep()
    traced.api.resources.relay.wake()
    async with traced.api.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
    _, spans = await traced.ask("GET", "/api/v1/roles")
    assert {span.trace_id for span in traced.sink.spans[before:]} == {spans.server.trace_id}


async def test_a_stream_ends_when_it_starts(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The span of an event stream is sent while the stream goes on; its checks add nothing."""
    monkeypatch.setattr(event_service, "CHECK_S", 0.05)
    trace_id, headers = new_trace()
    async with (
        traced.admin.client() as client,
        client.stream("GET", "/api/v1/events", headers=headers) as stream,
    ):
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: ready"
        spans = Spans(await traced.sink.trace(trace_id))
        assert spans.server.name == "GET /api/v1/events"
        assert spans.server.seconds < 1
        for _ in range(8):
            await anext(lines)
        await traced.ask("GET", "/api/v1/users")
        assert [span for span in traced.sink.spans if span.trace_id == trace_id] == spans.all


async def test_events_have_a_trace_of_their_own(traced: Traced) -> None:
    """Loading a changed job for those who listen is seen, apart from any request."""
    before = len(traced.sink.spans)
    async with traced.admin.client() as client, client.stream("GET", "/api/v1/events") as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: ready"
        async with traced.admin.client() as other:
            await create_job(other)

        async def delivered() -> bool:
            return any(span.name == "deliver events" for span in traced.sink.spans[before:])

        assert await eventually(delivered)


async def test_an_outage_is_an_error(module_settings: Settings, sink: Sink) -> None:
    """The span of a request that fails without PostgreSQL says so."""
    async with Proxy(module_settings.postgres_address) as proxy:
        settings = traced_settings(module_settings, sink.url)
        settings = settings.model_copy(
            update={"postgres_address": proxy.address, "redis_prefix": "away:"}
        )
        async with run_traced(settings, sink) as traced:
            await proxy.cut()
            answer, spans = await traced.ask("GET", "/api/v1/users")
    assert answer.status_code == 503
    assert spans.server.failed
    assert spans.server.attributes["error.type"] == "503"


async def test_a_refused_statement_is_an_error_without_its_words(traced: Traced) -> None:
    """What PostgreSQL says about a duplicate names the address; the span does not."""
    body = {
        "email": traced.admin.email,
        "name": "X",
        "password": "canary-Long-enough-1",
        "role": "viewer",
    }
    answer, spans = await traced.ask("POST", "/api/v1/users", json=body)
    assert answer.status_code == 409
    call = spans.call("INSERT users")
    assert call.failed
    assert call.attributes["error.type"] == "UniqueViolationError"
    assert not spans.server.failed


async def test_secrets_stay_here(traced: Traced) -> None:
    """No password, token, address, name, search or key is anywhere in what is sent."""
    canary, password = f"canary{token_hex(8)}", f"secret-{token_hex(8)}"
    body = {"email": f"{canary}@example.com", "name": canary, "password": password}
    body["role"] = "viewer"
    async with traced.admin.client() as client:
        client.headers |= {"Cookie": canary, "User-Agent": canary, "baggage": f"user={canary}"}
        await client.post("/api/v1/users", json=body)
        await client.post("/api/v1/users", json=body)
        await client.get("/api/v1/users", params={"q": canary, "cursor": canary})
        job = await create_job(client, key=canary)
        login = {"email": body["email"], "password": password}
        tokens = (await client.post("/api/v1/auth/login", json=login)).json()
        token = {"refresh_token": tokens["refresh_token"]}
        tokens |= (await client.post("/api/v1/auth/refresh", json=token)).json()
        await client.get("/api/v1/events?token=" + canary, headers={"Authorization": canary})
    message = await traced.message(job["id"])
    await traced.ask("GET", "/api/v1/users")
    sent = b"".join(traced.sink.raw)
    secrets = [canary, password, PASSWORD, traced.admin.token, traced.admin.email]
    secrets += [tokens["refresh_token"], tokens["access_token"], traced.settings.redis_prefix]
    settings = [value for _, value in traced.settings if hasattr(value, "get_secret_value")]
    secrets += [value.get_secret_value() for value in settings]
    assert len(sent) > 5000
    assert not [secret for secret in secrets if secret.encode() in sent]
    assert canary not in json.dumps(dict(message.headers))


async def test_who_does_not_sample_is_not_recorded(traced: Traced) -> None:
    """A caller whose trace is not sampled gets none here; one with a broken header a new one."""
    trace_id, before = token_hex(16), len(traced.sink.spans)
    async with traced.admin.client() as client:
        for flags in ("00", "zz"):
            header = f"00-{trace_id}-{token_hex(8)}-{flags}"
            answer = await client.get("/api/v1/users", headers={"traceparent": header})
            assert answer.status_code == 200
    await traced.ask("GET", "/api/v1/users")
    new = [span for span in traced.sink.spans[before:] if span.name == "GET /api/v1/users"]
    assert [span.parent_id == "" for span in new] == [True, False]
    assert trace_id not in {span.trace_id for span in new}


@pytest.mark.parametrize("fault", ["down", "slow", 500, 503, b"\x00garbage\r\n\r\n"])
async def test_a_bad_receiver_hurts_nobody(
    module_settings: Settings,
    sink: Sink,
    fault: str | int | bytes,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Requests are served as ever, the process stops in time, and the log says it once."""
    url = "http://127.0.0.1:9" if fault == "down" else sink.url
    if fault == "slow":
        sink.hang.clear()
    if not isinstance(fault, str):
        sink.answer = fault
    async with run_traced(traced_settings(module_settings, url), sink) as traced:
        slowest, log = 0.0, list[str]()
        async with traced.admin.client() as client:
            for _ in range(20):
                began = time.monotonic()
                assert (await client.get("/api/v1/users")).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.02)
        if fault == 500:  # what may be tried again, for 10 s, is not given up within this test
            await eventually(lambda: _has_told(log, capfd))
        stops = time.monotonic()
    assert slowest < 1
    assert time.monotonic() - stops < 2
    await _has_told(log, capfd)
    assert "".join(log).count("telemetry.unavailable") <= 1


async def _has_told(log: list[str], capfd: pytest.CaptureFixture[str]) -> bool:
    log.append(capfd.readouterr().out)
    return "telemetry.unavailable" in log[-1]


async def test_a_receiver_that_comes_back(
    traced: Traced, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a receiver refused is lost, what comes later arrives, and both are said once."""
    traced.sink.answer = 500
    for _ in range(2):
        await traced.ask("GET", "/api/v1/users")
    traced.sink.answer = 200
    await traced.ask("GET", "/api/v1/users")
    assert capfd.readouterr().out.count("telemetry.unavailable") == 1


async def test_what_waits_is_sent_at_the_end(
    module_settings: Settings, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request right before the process stops is not forgotten."""
    monkeypatch.setattr(exporter, "DELAY_MS", 60_000)
    settings = traced_settings(module_settings, sink.url + "/")
    settings = settings.model_copy(update={"otel_service_name": "edge"})
    async with run_api(settings) as api, api.client() as client:
        await client.get("/api/v1/system/info")
    assert [(span.service, span.name) for span in sink.spans if span.kind == "server"] == [
        ("edge", "GET /api/v1/system/info")
    ]


def test_without_a_receiver_nothing_is_loaded() -> None:
    """The SDK, its exporter and their libraries cost nothing where nobody wants traces."""
    code = (
        "import sys; from app.main import create_app; create_app();"
        # redis-py loads the part of the SDK for metrics by itself.
        "print([n for n in ('opentelemetry.sdk.trace', 'requests', 'google')"
        " if n in sys.modules])"
    )
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER, env=environment, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize(
    ("statement", "summary"),
    [
        ("SELECT users.id FROM users JOIN roles ON 1 = 1", "SELECT users"),
        ("select a\nfrom users", "SELECT users"),
        ("SELECT 1", "SELECT"),
        ("SELECT id FROM jobs WHERE id = $1 FOR UPDATE SKIP LOCKED", "SELECT jobs"),
        ("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO UPDATE SET id = 1", "INSERT users"),
        ("WITH a AS (SELECT 1 FROM x) UPDATE jobs SET id = 1 FROM a", "UPDATE jobs"),
        ("WITH a AS (INSERT INTO b VALUES (1)) DELETE FROM c", "INSERT b DELETE c"),
        ('DELETE FROM "users" WHERE 1 = 1', "DELETE users"),
        ("UPDATE public.users SET a = 1", "UPDATE users"),
        ("LISTEN job_changed", "LISTEN"),
    ],
)
def test_statements_are_told_by_verb_and_table(statement: str, summary: str) -> None:
    """A statement's summary has what it does to which tables, and none of its values."""
    assert describe(statement)["db.query.summary"] == summary
