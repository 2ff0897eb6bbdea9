"""A debugger attaches to the API and to the worker in their containers, as .vscode/launch.json says."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from debuggers import PythonDebugger, evaluate_in_node

from development import OWNER, Development
from engine import copy_workspace
from groundplan.model import settings
from groundplan.model.workspace import describe
from harness import ROOT, wait_for

pytestmark = pytest.mark.long
FILE = "app/system/endpoints.py"
FILES = ("docker-compose.yml", "docker-compose.development.yml", "docker-compose.debug.yml")
SUBNET = "10.213.77.0/24"


@pytest.fixture(scope="module")
def debugged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """A copy of this checkout whose API and worker run with a debugger's port."""
    root = tmp_path_factory.mktemp("debugged")
    copy_workspace(root)
    settings.ensure(root / "config" / ".env", root / "config" / ".env.example")
    for path in (root, *root.rglob("*")):
        os.chown(path, OWNER, OWNER)
    running = Development(root, f"gp-test-{root.name}-{os.getpid()}")
    files = [word for file in FILES for word in ("--file", str(root / file))]
    try:
        done = subprocess.run(
            ["docker", "compose", *files, "up", "--build", "--detach", "api", "worker"],
            env=running.environment | _any_ports() | {"GROUNDPLAN_SUBNET": SUBNET},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        yield running
    finally:
        running.remove()


def _any_ports() -> dict[str, str]:
    """Variables with which every port is published at a free one."""
    names = {*describe(ROOT).port_variables, "API_DEBUG_PORT", "WORKER_DEBUG_PORT"}
    return dict.fromkeys(names, "0")


def _port(running: Development, service: str, target: int) -> int:
    ports = running.container(service)["NetworkSettings"]["Ports"]
    (binding,) = ports[f"{target}/tcp"]
    assert binding["HostIp"] == "127.0.0.1"
    return int(binding["HostPort"])


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url).is_success
    except httpx2.TransportError:
        return False


def test_api_stops_at_a_breakpoint(debugged: Development) -> None:
    """A breakpoint in a file of this machine is hit by a request, which is answered afterwards."""
    url = f"http://127.0.0.1:{_port(debugged, 'api', 8000)}/api/v1/system/info"
    wait_for(lambda: _answers(url), 90, "The API answers")
    source = debugged.root / "services" / "api"
    lines = (source / FILE).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "return SystemInfo(" in text)
    port = _port(debugged, "api", 5678)
    with PythonDebugger(port, str(source), "/app") as debugger, ThreadPoolExecutor() as pool:
        debugger.break_at(str(source / FILE), line)
        answer = pool.submit(httpx2.get, url, timeout=60)
        assert debugger.until_stopped() == "breakpoint"
        assert answer.result().is_success


def test_worker_can_be_looked_into(debugged: Development) -> None:
    """The inspector is that of the worker itself, not of what restarts it after an edit."""
    port = _port(debugged, "worker", 9229)
    wait_for(lambda: _answers(f"http://127.0.0.1:{port}/json/list"), 60, "The inspector answers")
    assert evaluate_in_node(port, "process.argv[1]") == "/app/src/main.ts"
