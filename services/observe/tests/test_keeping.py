"""What is kept: across restarts, damage and floods."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx2 as httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observe.app import create_app
from observe.otlp import PROTOBUF
from observe.settings import Settings
from observe.span import Kind, Span
from observe.store import Reader, Store
from tests.support import Observer, call, post, protobuf, request, span, until

CALL = ("frontend", "api", "http", "GET /api/v1/users")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_loses_nothing_that_was_counted(own_observer: Observer, number: int) -> None:
    """After an end of either kind, edges and traces are there and counting goes on."""
    both = call(seconds=0.5)
    own_observer.send(*both)
    (before,) = until(own_observer.edges)
    own_observer.stop(number)
    own_observer.start()
    assert own_observer.edges() == [before]
    assert own_observer.client.get(f"/api/traces/{both[0]['traceId']}").status_code == 200
    own_observer.send(*both, *call())
    until(lambda: own_observer.calls() == {CALL: 2})


def test_a_call_that_waits_is_counted_at_the_end(own_observer: Observer) -> None:
    """A call whose server has not shown up yet is not lost by a stop."""
    own_observer.send(call()[0])
    own_observer.stop()
    own_observer.start()
    assert own_observer.calls() == {("frontend", "127.0.0.1:8000", "http", "GET /api/v1/users"): 1}


@pytest.mark.parametrize("damage", ["garbage", "page", "version"])
def test_a_damaged_file_is_moved_aside(own_observer: Observer, damage: str) -> None:
    """A file that can't be read is kept beside, told in the log, and a new one is begun."""
    own_observer.send(*call())
    until(own_observer.edges)
    own_observer.stop()
    if damage == "garbage":
        own_observer.database.write_bytes(b"this is no database" * 1000)
    elif damage == "page":
        content = bytearray(own_observer.database.read_bytes())
        content[4096 * 2 : 4096 * 4] = b"\xaa" * 8192
        own_observer.database.write_bytes(content)
    else:
        with closing(sqlite3.connect(own_observer.database)) as connection:
            connection.execute("PRAGMA user_version = 99")
    own_observer.start()
    assert own_observer.edges() == []
    assert "moved aside" in own_observer.log
    assert len(list(own_observer.data.glob("observe.db.damaged"))) == 1
    own_observer.send(*call())
    until(lambda: own_observer.calls() == {CALL: 1})


def test_traces_are_found(own_observer: Observer) -> None:
    """A trace is found by its id, as the last one, and by what was done in it; others are not."""
    client, server = call(name="GET", error="refused")
    own_observer.send(client, server)
    until(own_observer.edges)
    own_observer.send(
        span("worker", "client", db__system__name="redis", db__operation__name="GET_X")
    )
    get = own_observer.client.get
    until(lambda: len(get("/api/traces").json()["traces"]) == 2)
    newest, oldest = get("/api/traces?limit=5").json()["traces"]
    assert (newest["service"], newest["operation"], newest["spans"]) == ("worker", "GET_X", 1)
    assert (oldest["service"], oldest["spans"], oldest["errors"]) == ("frontend", 2, 1)
    assert get("/api/traces/last").json()["trace_id"] == newest["trace_id"]
    found = get("/api/traces/last", params={"operation": "GET */users"}).json()
    assert found["trace_id"] == client["traceId"]
    first, second = found["spans"]
    assert (first["message"], first["is_error"]) == ("refused", True)
    assert second["parent_id"] == first["span_id"]
    assert get("/api/traces/last", params={"operation": "GET%"}).status_code == 404
    assert get("/api/traces/last", params={"operation": "GETAX"}).status_code == 404
    assert get(f"/api/traces/{'ab' * 16}").status_code == 404
    assert get("/api/traces/no-id").status_code == 400
    assert get("/api/traces?limit=many").status_code == 400


def make_span(trace: int, number: int) -> Span:
    """A span of a service."""
    ids = trace.to_bytes(16, "big"), number.to_bytes(8, "big"), b""
    return Span(*ids, "api", "work", Kind.INTERNAL, 0, 1, is_error=False, message="", attributes={})


def test_old_traces_are_forgotten(tmp_path: Path) -> None:
    """Only the newest traces are kept, none beyond its age, and no span without its trace."""
    store = Store(tmp_path / "observe.db")
    with store.transaction():
        for trace in range(1, 101):
            store.add_span(make_span(trace, 1), now=trace)
        store.prune(max_traces=60, max_age=50, now=100)
    store.close()
    kept = Reader(tmp_path / "observe.db").traces(1000)
    assert [int(trace["trace_id"], 16) for trace in kept] == list(range(100, 49, -1))
    with closing(sqlite3.connect(tmp_path / "observe.db")) as connection:
        assert connection.execute("SELECT count(*) FROM spans").fetchone() == (51,)


def test_a_huge_trace_is_cut(tmp_path: Path) -> None:
    """Of a trace with very many spans only the first are kept."""
    store = Store(tmp_path / "observe.db")
    with store.transaction():
        for number in range(1, 2502):
            assert store.add_span(make_span(1, number), now=1)
    store.close()
    assert Reader(tmp_path / "observe.db").traces(1)[0]["spans"] == 2000


@pytest.mark.anyio
async def test_too_many_spans_are_put_off(tmp_path: Path) -> None:
    """A request that does not fit into the queue gets 503 and Retry-After, as OTLP says."""
    app = create_app(Settings(data=tmp_path, max_queued=1))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.post("/v1/traces", json=request(*call()))
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            one = await client.post("/v1/traces", json=request(call()[0]))
            assert one.status_code == 200


def test_memory_is_bounded(own_observer: Observer) -> None:
    """100,000 spans in a hurry are all counted, and the memory stays small."""
    message = ExportTraceServiceRequest.FromString(
        protobuf(*(each for _ in range(250) for each in call()))
    )
    spans = [node.scope_spans[0].spans[0] for node in message.resource_spans]
    for number in range(200):
        for index, each in enumerate(spans):
            each.trace_id = (number * 1000 + index // 2 + 1).to_bytes(16, "big")
        body = message.SerializeToString()
        until(lambda body=body: post(own_observer, body, PROTOBUF).status_code == 200)  # type: ignore[misc] # mypy can't infer it
    until(lambda: own_observer.calls() == {CALL: 50_000}, 60)
    assert own_observer.memory() < 80
