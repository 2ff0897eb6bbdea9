"""How spans become calls."""

import pytest

from observe.edges import OTHERS, EdgeKey, Edges
from observe.span import Kind, Span
from tests.support import Observer, call, span, until

FRONTEND_TO_API = ("frontend", "api", "http", "GET /api/v1/users")


def make_span(kind: Kind, number: int, parent: int = 0, **fields: object) -> Span:
    """A span of an HTTP call to somewhere:80."""
    attributes = {"http.request.method": "GET", "url.path": "/x", "server.address": "somewhere"}
    settings = {
        "trace_id": b"t" * 16,
        "span_id": number.to_bytes(8, "big"),
        "parent_id": parent.to_bytes(8, "big") if parent else b"",
        "service": "a" if kind == Kind.CLIENT else "b",
        "name": "x",
        "kind": kind,
        "start": 0,
        "end": 5_000_000,
        "is_error": False,
        "message": "",
        "attributes": attributes,
    }
    return Span(**{**settings, **fields})  # type: ignore[arg-type] # any field may be given


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of `edges`."""
    return Clock()


@pytest.fixture
def edges(clock: Clock) -> Edges:
    """Edges that have seen nothing."""
    return Edges(clock, client_patience=3, server_patience=60)


def counts(edges: Edges) -> dict[str, int]:
    """How often each callee was called."""
    return {key.callee: edge.count for key, edge in edges.by_key.items()}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_callee_is_the_service_of_the_server_span(edges: Edges, order: tuple[int, int]) -> None:
    """Whether the server's span comes before or after the client's, the call is counted once."""
    both = [make_span(Kind.CLIENT, 1), make_span(Kind.SERVER, 2, parent=1)]
    for index in order:
        edges.add(both[index])
        edges.settle()
    edges.settle_all()
    assert counts(edges) == {"b": 1}


def test_a_call_without_a_server_span_goes_to_the_address(edges: Edges, clock: Clock) -> None:
    """After its patience, and not before, a client's call counts for the address it called."""
    edges.add(make_span(Kind.CLIENT, 1))
    clock.now += 2.9
    edges.settle()
    assert counts(edges) == {}
    clock.now += 0.2
    edges.settle()
    assert counts(edges) == {"somewhere": 1}
    edges.add(make_span(Kind.SERVER, 2, parent=1))
    edges.settle_all()
    assert counts(edges) == {"somewhere": 1}


def test_a_server_span_without_a_client_is_no_call(edges: Edges, clock: Clock) -> None:
    """A root, or a server whose client never shows up, counts for nobody."""
    edges.add(make_span(Kind.SERVER, 1))
    edges.add(make_span(Kind.SERVER, 2, parent=7))
    clock.now += 61
    edges.settle()
    edges.add(make_span(Kind.CLIENT, 7))
    clock.now += 4
    edges.settle()
    assert counts(edges) == {"somewhere": 1}


def test_two_answers_to_one_call_count_once(edges: Edges) -> None:
    """A call that two servers say they answered is one call."""
    edges.add(make_span(Kind.CLIENT, 1))
    edges.add(make_span(Kind.SERVER, 2, parent=1))
    edges.add(make_span(Kind.SERVER, 3, parent=1))
    edges.settle_all()
    assert counts(edges) == {"b": 1}


def test_the_number_of_edges_is_bounded(edges: Edges) -> None:
    """Callers that invent operations fill one common edge in the end, and not the memory."""
    for number in range(3000):
        attributes: dict[str, str | int] = {"db.system.name": "x", "db.query.summary": str(number)}
        edges.add(make_span(Kind.CLIENT, number + 1, attributes=attributes))
    assert len(edges.by_key) == 2001
    assert edges.by_key[OTHERS].count == 1000
    assert isinstance(OTHERS, EdgeKey)


def test_waiting_spans_are_bounded(edges: Edges) -> None:
    """Servers that wait for clients that never come are dropped, the oldest first."""
    for number in range(30_000):
        edges.add(make_span(Kind.SERVER, number + 1, parent=100_000 + number))
    edges.settle()
    edges.add(make_span(Kind.CLIENT, 100_000))
    edges.add(make_span(Kind.CLIENT, 129_999))
    assert counts(edges) == {"b": 1}


NAMES = {
    "postgresql": (
        {"db__system__name": "postgresql", "db__query__summary": "SELECT users"},
        ("postgresql", "SELECT users"),
    ),
    "no summary": (
        {
            "db__system__name": "postgresql",
            "db__operation__name": "COPY",
            "db__collection__name": "users",
        },
        ("postgresql", "COPY users"),
    ),
    "redis": (
        {"db__system__name": "redis", "db__operation__name": "EVALSHA"},
        ("redis", "EVALSHA"),
    ),
    "amqp": (
        {
            "messaging__system": "rabbitmq",
            "messaging__operation__type": "settle",
            "messaging__operation__name": "ack",
            "messaging__destination__name": "jobs",
        },
        ("amqp", "ack jobs"),
    ),
    "s3": ({"rpc__system": "aws-api", "rpc__method": "S3/UploadPart"}, ("s3", "UploadPart")),
}


@pytest.mark.parametrize("name", NAMES)
def test_servers_without_spans_are_virtual_peers(observer: Observer, name: str) -> None:
    """A call to a database, a broker or a storage is counted at once, named by what was asked."""
    attributes, (protocol, operation) = NAMES[name]
    observer.send(span("api", "client", server__address="db", server__port=5, **attributes))
    expected = {("api", "db:5", protocol, operation): 1}
    assert until(observer.calls) == expected


def test_an_http_call_is_named_by_the_route(observer: Observer) -> None:
    """The route of the server's span names the call, in whichever request it comes."""
    client, server = call("/api/v1/users")
    observer.send(server)
    observer.send(client)
    assert until(observer.calls) == {FRONTEND_TO_API: 1}


def test_a_path_without_a_route_is_made_general(observer: Observer) -> None:
    """Numbers and UUIDs in a path are no operations of their own."""
    for path in ("/a/17/b", "/a/0190c8e2-0b0a-7d4e-9f00-1c1b1a191817/b?c=1"):
        client, server = call(path)
        server["attributes"] = []
        observer.send(client, server)
    assert until(observer.calls) == {("frontend", "api", "http", "GET /a/{id}/b"): 2}


def test_a_span_that_is_sent_again_counts_once(observer: Observer) -> None:
    """An exporter that repeats a request after a timeout does not count twice."""
    both = call()
    observer.send(*both)
    observer.send(*both)
    observer.send(*call())
    until(lambda: observer.calls() == {FRONTEND_TO_API: 2})
    assert observer.client.get("/api/traces").json()["traces"][0]["spans"] == 2


def test_consumers_are_no_calls(observer: Observer) -> None:
    """What a worker does with a message is a span of its trace and no call."""
    observer.send(span("worker", "consumer", messaging__system="rabbitmq"), *call())
    until(lambda: observer.calls() == {FRONTEND_TO_API: 1})


def test_errors_and_durations(observer: Observer) -> None:
    """An edge knows how many calls failed and how long they took."""
    observer.send(*call(seconds=0.1), *call(seconds=0.1), *call(seconds=2, error="refused"))
    (edge,) = until(observer.edges)
    assert (edge["count"], edge["errors"]) == (3, 1)
    assert edge["p50"] == pytest.approx(0.1, rel=0.05)
    assert edge["p99"] == pytest.approx(2, rel=0.05)


def test_since_and_forget(observer: Observer) -> None:
    """`since` leaves out what was not seen since, and DELETE forgets all."""
    observer.send(*call())
    (edge,) = until(observer.edges)
    assert observer.edges(since=edge["last_seen"] + 1) == []
    assert observer.edges(since=edge["last_seen"] - 1) == [edge]
    assert observer.client.get("/api/edges?since=never").status_code == 400
    assert observer.client.delete("/api/edges").status_code == 204
    assert observer.edges() == []
