"""More than the server can do, and clients that are too slow or too big for it."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import Request
from starlette.types import Receive, Scope, Send

from app import protocol
from app.auth.access import public
from app.core.admission import AdmissionMiddleware
from app.event.hub import QUEUE_SIZE
from app.settings import Settings
from tests.people import People, Person
from tests.running import Api, counted, run_api
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
EVENTS = "/api/v1/events"
INFO = "/api/v1/system/info"
HEAD = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"


@dataclass
class Gate:
    """A route that lets requests wait."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    inside: int = 0

    async def wait(self, request: Request) -> int:
        """Read the body and wait until the gate is open."""
        await request.body()
        self.inside += 1
        try:
            await self.opened.wait()
        finally:
            self.inside -= 1
        return 1

    async def holds(self, count: int) -> bool:
        """Whether so many requests wait."""
        return self.inside == count


@asynccontextmanager
async def api_with_gate(
    settings: Settings, max_in_work: int, timeout_s: float = 20
) -> AsyncIterator[tuple[Api, Gate]]:
    """An API with the route `/wait`."""
    gate = Gate()
    narrow = settings.model_copy(update={"max_requests_in_work": max_in_work})
    async with run_api(narrow) as api:
        api.app.add_api_route("/wait", gate.wait, methods=["GET", "POST"], dependencies=[public])
        admission = api.app.middleware_stack
        while not isinstance(admission, AdmissionMiddleware):
            admission = getattr(admission, "app", None) or getattr(admission, "_app")  # noqa: B009
        admission._timeout_s = timeout_s  # noqa: SLF001 - no setting: nobody needs another
        yield api, gate
        gate.opened.set()


async def test_what_is_too_much_is_refused_at_once(own_settings: Settings) -> None:
    """Beyond the bound the answer is 503, which browsers may read, too; health checks pass."""
    async with api_with_gate(own_settings, 5) as (api, gate), api.client() as client:
        waiting = [asyncio.create_task(client.get("/wait")) for _ in range(5)]
        await eventually(lambda: gate.holds(5))
        origin = {"Origin": own_settings.frontend_url}
        before = await counted(client, "groundplan_shed_requests_total")
        refused = await client.get(INFO, headers=origin)
        assert await counted(client, "groundplan_shed_requests_total") == before + 1
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["access-control-allow-origin"] == own_settings.frontend_url
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        gate.opened.set()
        assert {(await task).status_code for task in waiting} == {200}
        assert (await client.get(INFO)).status_code == 200


async def test_places_come_back(own_settings: Settings) -> None:
    """Clients that leave, errors and refusals all give back their place among those in work."""
    async with api_with_gate(own_settings, 2) as (api, gate), api.client() as client:

        async def explode() -> None:
            raise ZeroDivisionError

        api.app.add_api_route("/explode", explode, dependencies=[public])
        for path, status in (("/explode", 500), ("/nope", 404), ("/api/v1/users", 401)) * 3:
            assert (await client.get(path)).status_code == status
        for _ in range(3):
            await _abandon(api, b"POST /wait HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\n\r\n")
        await eventually(lambda: _is_ok(client, INFO))
        waiting = [asyncio.create_task(client.get("/wait")) for _ in range(2)]
        await eventually(lambda: gate.holds(2))
        gate.opened.set()
        assert [(await task).status_code for task in waiting] == [200, 200]


async def _abandon(api: Api, request: bytes) -> None:
    """Send a request and leave before the answer."""
    async with connection(api) as (_, writer):
        writer.write(request)
        await writer.drain()


async def test_what_takes_too_long_is_ended(own_settings: Settings) -> None:
    """A request whose answer does not begin in time gets 503, and its place is free again."""
    async with api_with_gate(own_settings, 1, 0.3) as (api, gate), api.client() as client:
        answer = await client.get("/wait")
        assert (answer.status_code, answer.json()["code"]) == (503, "timed_out")
        assert answer.headers["retry-after"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        gate.opened.set()
        assert (await client.get("/wait")).status_code == 200


async def test_an_event_stream_is_no_work(own_settings: Settings) -> None:
    """Event streams take no place among the requests in work, and outlast their time limit."""
    async with api_with_gate(own_settings, 1, 0.5) as (api, _):
        person = await People(api).create("manager")
        async with AsyncExitStack() as stack, person.client() as client:
            for _ in range(3):
                stream = await stack.enter_async_context(client.stream("GET", EVENTS))
                assert stream.status_code == 200
            await asyncio.sleep(0.7)
            async with person.client() as other:
                created = await other.post("/api/v1/export", json={"type": "users"})
            seen = b""
            async for chunk in stream.aiter_bytes():
                seen += chunk
                if created.json()["id"].encode() in seen:
                    break


@pytest.fixture
def quick_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timeouts of the protocol that a test can wait for."""
    monkeypatch.setattr(protocol, "REQUEST_TIMEOUT_S", 1.0)
    monkeypatch.setattr(protocol, "READING_TIMEOUT_S", 1.0)


@pytest.mark.usefixtures("quick_timeouts")
@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"", b""),
        (b"GET", b""),
        (HEAD, b"X-A: b\r\n"),
        (HEAD + b"Content-Length: 1000\r\n\r\n", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"GET /healthz HTTP/1.1\r\nHost: api\r\n\r\nGET /healthz HTTP/1.1\r\n", b"X-A: b\r\n"),
    ],
    ids=["silence", "half a line", "headers", "body", "chunks", "the second request"],
)
async def test_slow_requests_are_ended(own_settings: Settings, start: bytes, drip: bytes) -> None:
    """Whoever sends a request drop by drop is cut off, and holds no place and no connection."""
    narrow = own_settings.model_copy(update={"max_requests_in_work": 1})
    async with run_api(narrow) as api:
        async with connection(api) as (reader, writer):
            began = asyncio.get_running_loop().time()
            writer.write(start)
            dripping = asyncio.create_task(_drip(writer, drip))
            async with asyncio.timeout(5):
                await _until_closed(reader)
            assert asyncio.get_running_loop().time() - began >= 0.9
            dripping.cancel()
        async with api.client() as client:
            await eventually(lambda: _is_ok(client, INFO))


async def _drip(writer: asyncio.StreamWriter, drop: bytes) -> None:
    while True:
        writer.write(drop)
        await asyncio.sleep(0.1)


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(-1)
    except ConnectionResetError:
        return b""


async def _is_ok(client: httpx.AsyncClient, path: str) -> bool:
    return (await client.get(path)).status_code == 200


@pytest.mark.parametrize("endless", [b"X-A: b\r\n", b"x"], ids=["many headers", "one header"])
async def test_headers_without_end_are_refused(api: Api, endless: bytes) -> None:
    """Headers that do not end get 431 long before they fill the memory."""
    sent = 0
    async with connection(api) as (reader, writer):
        writer.write(HEAD + b"X-Long: ")
        answer = asyncio.create_task(_until_closed(reader))
        while not answer.done() and sent < 10_000_000:
            writer.write(endless * 1000)
            sent += len(endless) * 1000
            await asyncio.sleep(0)
        assert sent < 5_000_000
        await answer


async def test_usual_headers_pass(api: Api) -> None:
    """Headers of 32 KiB are no trouble."""
    async with api.client() as client:
        answer = await client.get("/healthz", headers={f"X-{n}": "x" * 1000 for n in range(32)})
    assert answer.status_code == 200


@pytest.mark.usefixtures("quick_timeouts")
async def test_a_client_that_never_reads_is_cut_off(own_settings: Settings) -> None:
    """An event stream that nobody reads holds a bounded buffer, and then ends."""
    async with run_api(own_settings) as api:
        person = await People(api).create("manager")
        client = _deaf_client(api, person, EVENTS)
        await eventually(lambda: _streams(api, 1))
        event = b"data: " + b"x" * 20_000 + b"\n\n"
        offered = most = 0

        async def has_left() -> bool:
            nonlocal offered, most
            for subscription in _subscriptions(api):
                for _ in range(QUEUE_SIZE - 1):
                    subscription.offer(event)
                    offered += len(event)
                most = max(most, _buffered(api))
            return not _subscriptions(api)

        await eventually(has_left, within_s=15)
        # What the connection holds is one turn of the queue and what was below its mark before.
        assert 0 < most < QUEUE_SIZE * len(event) + 100_000 < offered
        client.close()


def _subscriptions(api: Api) -> set[Any]:
    return set(api.resources.events._subscriptions)  # noqa: SLF001 - what it must let go of


async def _streams(api: Api, count: int) -> bool:
    return len(_subscriptions(api)) == count


def _buffered(api: Api) -> int:
    """Bytes of this process that wait for clients."""
    connections = api.connections
    return sum(each.transport.get_write_buffer_size() for each in connections)


def _deaf_client(api: Api, person: Person, path: str) -> socket.socket:
    """A client that asks and does not listen."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = api.url.removeprefix("http://").split(":")
    client.connect((host, int(port)))
    head = f"GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {person.token}\r\n\r\n"
    client.sendall(head.encode())
    return client


@pytest.mark.usefixtures("quick_timeouts")
async def test_an_answer_that_nobody_reads_is_let_go(own_settings: Settings) -> None:
    """Answers that a client does not take hold no connection for ever, though all is written."""
    async with run_api(own_settings) as api:
        person = await People(api).create("admin")
        client = _deaf_client(api, person, "/openapi.json")
        more = b"GET /openapi.json HTTP/1.1\r\nHost: api\r\n\r\n" * 100
        client.setblocking(False)
        client.send(more)
        await eventually(lambda: _connections(api, 1))
        await eventually(lambda: _connections(api, 0), within_s=15)
        client.close()


async def _connections(api: Api, count: int) -> bool:
    return len(api.connections) == count


async def test_event_streams_are_bounded(own_settings: Settings) -> None:
    """Too many streams of a user are a 429, of all a 503; one that ends makes room."""
    narrow = own_settings.model_copy(
        update={"max_event_streams": 5, "max_event_streams_per_user": 3}
    )
    async with run_api(narrow) as api, AsyncExitStack() as stack:
        people = [await People(api).create("manager") for _ in range(2)]
        streams: list[AsyncExitStack] = []

        async def open_stream(person: Person) -> int:
            own = await stack.enter_async_context(AsyncExitStack())
            client = await own.enter_async_context(person.client())
            answer = await own.enter_async_context(client.stream("GET", EVENTS))
            if answer.status_code != 200:
                assert int(answer.headers["retry-after"]) > 0
                assert answer.headers["content-type"] == "application/problem+json"
            else:
                streams.append(own)
            return answer.status_code

        found = await asyncio.gather(*(open_stream(people[0]) for _ in range(10)))
        assert Counter(found) == {200: 3, 429: 7}
        assert [await open_stream(people[1]) for _ in range(3)] == [200, 200, 503]
        await streams[0].aclose()
        await eventually(lambda: _streams(api, 4))
        assert await open_stream(people[1]) == 200


async def test_streams_that_were_never_read_are_forgotten(own_settings: Settings) -> None:
    """Clients that leave before their stream has begun take no place for ever."""
    async with run_api(own_settings) as api:
        person = await People(api).create("manager")
        head = f"GET {EVENTS} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {person.token}\r\n\r\n"
        for _ in range(30):
            await _abandon(api, head.encode())
        async with person.client() as client, client.stream("GET", EVENTS) as stream:
            assert stream.status_code in (200, 429)
        await eventually(lambda: _streams(api, 0), within_s=15)


@asynccontextmanager
async def connection(api: Api) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection, which is cut at the end."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_a_lost_cancellation_is_made_up_for() -> None:
    """A request that answers after its time, as if it had not been told, gets one answer: 503."""

    async def deaf(_scope: Scope, _receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    admission = AdmissionMiddleware(deaf, max_in_work=1, timeout_s=0.1)
    transport = httpx.ASGITransport(admission)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = [await client.get(INFO) for _ in range(2)]
    assert [answer.json()["code"] for answer in answers] == ["timed_out"] * 2
