"""The declared flows against the traffic of everything that the tests before did."""

import json
import secrets
import time

import httpx2
import pytest

from harness import System, gp, wait_for


@pytest.fixture(scope="module")
def checked(system: System) -> str:
    """What `./gp check --live` says after all journeys; it passes."""
    system.await_ready()
    done = gp("check", "--live")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_traffic_is_declared(checked: str) -> None:
    """Nothing that the system did, in all tests, is missing in flows.yaml, and the flows were seen."""
    seen, _, never = checked.partition("Declared, never exercised")
    assert ", 0 undeclared." in checked
    for operation in ("COPY users", "publish jobs", "ack jobs", "GetObject", "POST /api/v1/export"):
        assert operation in seen
        assert operation not in never


@pytest.mark.usefixtures("checked")
def test_an_export_is_one_trace(system: System) -> None:
    """From the browser's click to the worker's ack, everything stands in one waterfall."""
    done = gp("trace", "--last", "--operation", "click Start export")
    assert done.returncode == 0, done.stderr
    rows = [line.split()[0] + " " + line for line in done.stdout.splitlines()[2:]]
    expected = [
        ("browser", "click Start export"),
        ("frontend", "POST /api/v1/export"),
        ("api", "POST /api/v1/export"),
        ("api", "→ postgres INSERT jobs"),
        ("api", "→ rabbitmq publish jobs"),
        ("worker", "process jobs"),
        ("worker", "→ postgres COPY users"),
        ("worker", "→ rabbitmq ack jobs"),
    ]
    for service, words in expected:
        assert any(row.startswith(service) and words in row for row in rows), (service, words)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert system.is_ready()


@pytest.mark.usefixtures("checked")
def test_an_undeclared_call_is_found(system: System) -> None:
    """A call that flows.yaml does not hold fails the check, with the line that would declare it."""
    start = time.time_ns()
    attributes = {
        "db.system.name": "postgresql",
        "db.query.summary": "SELECT users",
        "server.address": "localhost",
        "server.port": str(system.services()["postgres"]["ports"]["5432"]),
    }
    span = {
        "traceId": secrets.token_hex(16),
        "spanId": secrets.token_hex(8),
        "name": "SELECT users",
        "kind": 3,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 1_000_000),
        "attributes": [
            {"key": key, "value": {"stringValue": value}} for key, value in attributes.items()
        ],
    }
    service = {"key": "service.name", "value": {"stringValue": "frontend"}}
    body = {
        "resourceSpans": [
            {"resource": {"attributes": [service]}, "scopeSpans": [{"spans": [span]}]}
        ]
    }
    assert httpx2.post(f"{system.url('observe')}/v1/traces", json=body).status_code == 200
    try:
        wait_for(lambda: "undeclared" in gp("observe", "--once").stdout, 10, "the call's arrival")
        done = gp("check", "--live", "--json")
        assert done.returncode == 1
        (edge,) = json.loads(done.stdout)["undeclared"]
        assert edge["declaration"] == (
            "- {from: frontend, to: postgres, protocol: postgresql, operation: SELECT users}"
        )
    finally:
        gp("observe", "--once", "--reset")
