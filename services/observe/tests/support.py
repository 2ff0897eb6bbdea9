"""A running observer and spans for it."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2 as httpx
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

T = TypeVar("T")
JSON = {"Content-Type": "application/json"}
KINDS = {"server": 2, "client": 3, "producer": 4, "consumer": 5}
_numbers = itertools.count(1)


def until(look: Callable[[], T], seconds: float = 10.0) -> T:
    """What `look` gives once it is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return found


class Observer:
    """The program, in a process of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.database = data / "observe.db"
        self._log = data.parent / "observe.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "observe"],
                cwd=Path(__file__).parent.parent,
                env={**os.environ, "PORT": str(self.port), "OBSERVE_DATA": str(self.data)},
                stderr=log,
            )
        until(self._answers)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        self.process.send_signal(number)
        self.process.wait(15)

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text()

    def send(self, *spans: dict[str, Any]) -> None:
        """Send spans in one request."""
        answer = self.client.post("/v1/traces", content=json.dumps(request(*spans)), headers=JSON)
        assert (answer.status_code, answer.text) == (200, "{}")

    def edges(self, **query: Any) -> list[dict[str, Any]]:
        """All edges."""
        found: list[dict[str, Any]] = self.client.get("/api/edges", params=query).json()["edges"]
        return found

    def calls(self) -> dict[tuple[str, str, str, str], int]:
        """How often each call was counted."""
        return {
            (edge["caller"], edge["callee"], edge["protocol"], edge["operation"]): edge["count"]
            for edge in self.edges()
        }

    def memory(self) -> float:
        """Its resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


def new_id(length: int) -> str:
    """An id that no other has, in hexadecimal digits."""
    return f"{next(_numbers):0{length}x}"


def span(service: str, kind: str, **attributes: str | int) -> dict[str, Any]:
    """A span of OTLP/JSON, whose attributes have `__` for `.`.

    These change the span itself: trace, id, parent, seconds, error, name.
    """
    own = {
        key: attributes.pop(key, None)
        for key in ("trace", "id", "parent", "seconds", "error", "name")
    }
    start = time.time_ns()
    return {
        "service": service,
        "traceId": own["trace"] or new_id(32),
        "spanId": own["id"] or new_id(16),
        "parentSpanId": own["parent"] or "",
        "name": own["name"] or "test",
        "kind": KINDS[kind],
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + int(float(own["seconds"] or 0.001) * 1e9)),
        "status": {"code": 2, "message": own["error"]} if own["error"] else {},
        "attributes": [
            {"key": key.replace("__", "."), "value": _value(value)}
            for key, value in attributes.items()
        ],
    }


def _value(value: str | int) -> dict[str, str]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def request(*spans: dict[str, Any]) -> dict[str, Any]:
    """An ExportTraceServiceRequest as OTLP/JSON."""
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [
                        {"key": "service.name", "value": {"stringValue": each["service"]}}
                    ]
                },
                "scopeSpans": [{"spans": [{key: each[key] for key in each if key != "service"}]}],
            }
            for each in spans
        ]
    }


def call(path: str = "/api/v1/users", **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two spans of a request from the frontend to the API: the client's and the server's."""
    client = span(
        "frontend",
        "client",
        http__request__method="GET",
        url__path=path,
        server__address="127.0.0.1",
        server__port=8000,
        **fields,
    )
    server = span(
        "api",
        "server",
        trace=client["traceId"],
        parent=client["spanId"],
        http__request__method="GET",
        http__route="/api/v1/users",
    )
    return client, server


def protobuf(*spans: dict[str, Any]) -> bytes:
    """The request in binary."""
    message = ExportTraceServiceRequest()
    for each in spans:
        resource = message.resource_spans.add()
        name = resource.resource.attributes.add(key="service.name")
        name.value.string_value = each["service"]
        node = resource.scope_spans.add().spans.add()
        ids = ("traceId", "spanId", "parentSpanId")
        rest = {key: each[key] for key in each if key not in {"service", *ids}}
        json_format.ParseDict(rest, node)
        node.trace_id, node.span_id, node.parent_span_id = (bytes.fromhex(each[key]) for key in ids)
    return message.SerializeToString()


def post(
    observer: Observer, body: bytes, media_type: str, encoding: str | None = None
) -> httpx.Response:
    """Send a body as it is."""
    headers = {"Content-Type": media_type} | ({"Content-Encoding": encoding} if encoding else {})
    return observer.client.post("/v1/traces", content=body, headers=headers)
