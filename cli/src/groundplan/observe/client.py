"""Asks the observer of the running system."""

import http.client
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name
from groundplan.model.workspace import Workspace, load
from groundplan.observe.peers import Peers
from groundplan.runtime import choice
from groundplan.runtime.state import SystemState

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""The standard variable that tells a service where to send its traces: it names the observer."""
_TIMEOUT = 10.0
_NOT_FOUND = 404


@dataclass(frozen=True)
class Edge:
    """All calls of one kind that were seen; durations in seconds, times in seconds since 1970."""

    caller: str
    callee: str
    protocol: str
    operation: str
    count: int
    errors: int
    p50: float
    p99: float
    first_seen: float
    last_seen: float

    def as_dict(self) -> dict[str, Any]:
        """The edge for machines."""
        return asdict(self)


@dataclass(frozen=True)
class Span:
    """One piece of work of a trace; times in seconds."""

    span_id: str
    parent_id: str
    service: str
    name: str
    kind: str
    """"server", "client", "producer", "consumer" or "internal"."""
    protocol: str
    operation: str
    peer: str
    """The service or the address that it called; empty for other kinds than clients."""
    start: float
    duration: float
    is_error: bool
    message: str

    def as_dict(self) -> dict[str, Any]:
        """The span for machines."""
        return asdict(self)


@dataclass(frozen=True)
class Trace:
    """All spans of one trace, in the order of their start."""

    trace_id: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Observer:
    """The running observer, which names services as the Compose files do."""

    url: str
    peers: Peers
    workspace: Workspace
    state: SystemState

    def edges(self, since: float | None = None) -> list[Edge]:
        """Who called whom since then, or since the system's start, in the order of their names."""
        # Addresses of an earlier run may belong to other services now.
        answer = self._ask(f"/api/edges?since={since or self.state.started}")
        return _joined(self._named_edge(Edge(**fields)) for fields in answer["edges"])

    def trace(self, trace_id: str) -> Trace | None:
        """The trace of that id; None if there is none."""
        return self._trace(f"/api/traces/{quote(trace_id, safe='')}")

    def last_trace(self, operation: str) -> Trace | None:
        """The newest trace in which something of that name was done; `*` stands for any text."""
        return self._trace(f"/api/traces/last?{urlencode({'operation': operation})}")

    def forget(self) -> None:
        """Forget all calls."""
        self._ask("/api/edges", "DELETE")

    def _named_edge(self, edge: Edge) -> Edge:
        caller, callee = self.peers.name(edge.caller), self.peers.name(edge.callee)
        return replace(edge, caller=caller, callee=callee)

    def _trace(self, path: str) -> Trace | None:
        try:
            answer = self._ask(path)
        except HTTPError as error:
            if error.code == _NOT_FOUND:
                return None
            raise
        spans = (Span(**fields) for fields in answer["spans"])
        return Trace(
            answer["trace_id"],
            tuple(
                replace(
                    span, service=self.peers.name(span.service), peer=self.peers.name(span.peer)
                )
                for span in spans
            ),
        )

    def _ask(self, path: str, method: str = "GET") -> Any:
        request = Request(self.url + path, method=method)  # noqa: S310 - the state's own http URL
        try:
            with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - see above
                return json.loads(answer.read() or "null")
        except HTTPError:
            raise
        except (URLError, OSError, http.client.HTTPException, ValueError) as error:
            raise UserError(
                f"The observer at {self.url} does not answer.",
                why=str(error),
                hint="Look at it: ./gp status",
            ) from error


def connect() -> Observer:
    """The observer of this instance; raises UserError where none runs."""
    root, instance = find_root(), instance_name()
    state = choice.current(root, instance).status()
    if not state.is_running:
        raise UserError("Nothing is running.", hint="Start the system: ./gp up --detach")
    workspace = load(root, state.ports, instance)
    name = _observer_name(workspace)
    url = next((item.url for item in state.services if item.name == name and item.pid), None)
    if url is None:
        raise UserError(
            f"The observer {name!r} is not running.", hint=f"Start it: ./gp up --detach {name}"
        )
    return Observer(url, Peers(workspace, state), workspace, state)


def _observer_name(workspace: Workspace) -> str:
    """The service that the others send their traces to."""
    for service in workspace.services.values():
        host = urlsplit(service.environment.get(ENDPOINT, "")).hostname
        if host in workspace.services:
            return str(host)
    raise UserError(
        "No service sends traces.",
        why=f"None has {ENDPOINT} with the address of a service in its environment.",
        hint="Give it one in docker-compose.development.yml.",
    )


def _joined(edges: Iterable[Edge]) -> list[Edge]:
    """One edge for those that turned out to be the same once their services were known."""
    found: dict[tuple[str, str, str, str], Edge] = {}
    for edge in edges:
        key = (edge.caller, edge.callee, edge.protocol, edge.operation)
        other = found.get(key)
        found[key] = _sum(edge, other) if other else edge
    return [found[key] for key in sorted(found)]


def _sum(one: Edge, other: Edge) -> Edge:
    """Both as one; of the durations the longer ones, since quantiles can't be added."""
    return replace(
        one,
        count=one.count + other.count,
        errors=one.errors + other.errors,
        p50=max(one.p50, other.p50),
        p99=max(one.p99, other.p99),
        first_seen=min(one.first_seen, other.first_seen),
        last_seen=max(one.last_seen, other.last_seen),
    )
