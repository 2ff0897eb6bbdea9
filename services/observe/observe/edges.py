"""Who calls whom: edges, and how spans become calls.

A call is the span of a client or producer. Who was called is told by its child, the span of a
server, which may come before it, after it, or never:

    client's call            server's span            what is counted
    to a database, broker …  none                     the peer's address, at once
    comes first              comes within patience    the server's service, when it comes
    comes first              comes later or never     the peer's address, after patience
    comes later              comes first              the server's service, when the client comes
    never                    comes                    nothing: nobody is known to have called

Each client's span is counted once, whichever row it falls into.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from observe.histogram import Histogram
from observe.naming import answers_with_spans, operation_of, peer_of, protocol_of
from observe.span import Kind, Span

_MAX_WAITING = 20_000
_MAX_EDGES = 2_000


@dataclass(frozen=True, slots=True)
class EdgeKey:
    """What tells one edge from another."""

    caller: str
    callee: str
    """A service, or the address "host:port" of a server that sends no spans."""
    protocol: str
    operation: str


@dataclass(slots=True)
class Edge:
    """What is known of all calls of one kind; times in seconds since 1970."""

    first_seen: float
    last_seen: float
    count: int = 0
    errors: int = 0
    durations: Histogram = field(default_factory=Histogram)


OTHERS = EdgeKey("(others)", "(others)", "(others)", "(others)")
"""What everything is counted under once there are too many different edges."""

Key = tuple[bytes, bytes]
"""Trace and span."""


@dataclass
class _Waiting:
    """Spans that wait for their other side, the oldest first."""

    patience: float
    _spans: OrderedDict[Key, tuple[float, Span]] = field(default_factory=OrderedDict)

    def add(self, key: Key, span: Span, now: float) -> None:
        self._spans[key] = (now + self.patience, span)

    def take(self, key: Key) -> Span | None:
        found = self._spans.pop(key, None)
        return found[1] if found else None

    def expired(self, now: float) -> Iterator[Span]:
        """Take out those whose time is over, and the oldest of too many."""
        while self._spans:
            key, (deadline, span) = next(iter(self._spans.items()))
            if deadline > now and len(self._spans) <= _MAX_WAITING:
                return
            del self._spans[key]
            yield span

    def clear(self) -> None:
        self._spans.clear()


class Edges:
    """All edges; `now` is a clock in seconds since 1970."""

    def __init__(
        self, now: Callable[[], float], client_patience: float, server_patience: float
    ) -> None:
        self.by_key: dict[EdgeKey, Edge] = {}
        self.changed: set[EdgeKey] = set()
        """Those that were counted since somebody emptied this."""
        self._now = now
        self._clients = _Waiting(client_patience)
        self._servers = _Waiting(server_patience)

    def add(self, span: Span) -> None:
        """Take one span into account; the caller sees to it that it is a new one."""
        if span.kind in (Kind.CLIENT, Kind.PRODUCER):
            self._add_client(span)
        elif span.kind == Kind.SERVER and span.parent_id:
            self._add_server(span)

    def settle(self) -> None:
        """Count the calls whose server has had its time to appear."""
        for span in self._clients.expired(self._now()):
            self._count(span, None)
        for _ in self._servers.expired(self._now()):
            pass

    def settle_all(self) -> None:
        """Count every call that still waits, before an end."""
        for span in self._clients.expired(float("inf")):
            self._count(span, None)

    def clear(self) -> None:
        """Forget everything."""
        self.by_key.clear()
        self.changed.clear()
        self._clients.clear()
        self._servers.clear()

    def _add_client(self, span: Span) -> None:
        key = (span.trace_id, span.span_id)
        if not answers_with_spans(protocol_of(span), span):
            self._count(span, None)
        elif server := self._servers.take(key):
            self._count(span, server)
        else:
            self._clients.add(key, span, self._now())

    def _add_server(self, span: Span) -> None:
        key = (span.trace_id, span.parent_id)
        if client := self._clients.take(key):
            self._count(client, span)
        else:
            self._servers.add(key, span, self._now())

    def _count(self, client: Span, server: Span | None) -> None:
        protocol = protocol_of(client) or (protocol_of(server) if server else "")
        callee = server.service if server else peer_of(client)
        if not callee:
            return  # a client that tells neither what it calls nor where
        key = EdgeKey(client.service, callee, protocol, operation_of(client, protocol, server))
        if key not in self.by_key and len(self.by_key) >= _MAX_EDGES:
            key = OTHERS
        seen = self._now()
        edge = self.by_key.setdefault(key, Edge(first_seen=seen, last_seen=seen))
        edge.first_seen = min(edge.first_seen, seen)
        edge.last_seen = max(edge.last_seen, seen)
        edge.count += 1
        edge.errors += client.is_error or bool(server and server.is_error)
        edge.durations.add(client.duration)
        self.changed.add(key)
