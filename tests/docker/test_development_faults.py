"""What `up` with Docker says and leaves where something is wrong, on small workspaces."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from development import Development

pytestmark = pytest.mark.long
IMAGE = "redis:8"
SLEEP = {"image": IMAGE, "command": ["sleep", "600"], "stop_grace_period": "100ms"}


def shell(text: str, **keys: Any) -> dict[str, Any]:
    """A service that runs a line of shell."""
    return {**SLEEP, "command": ["sh", "-c", text], **keys}


def check(test: str) -> dict[str, Any]:
    """A healthcheck that looks often."""
    return {"test": ["CMD-SHELL", test], "interval": "300ms", "timeout": "5s", "retries": 3}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Development]:
    """A workspace of its own; whatever it starts is removed."""
    workspace = Development(tmp_path, f"gp-test-{os.getpid()}-{abs(hash(tmp_path))}")
    try:
        yield workspace
    finally:
        workspace.remove()


def test_a_container_that_ends(small: Development) -> None:
    """A service that keeps ending is named with its exit code, its last line and the next command."""
    bad = shell("echo no such table; exit 3", restart="unless-stopped")
    small.write({"good": SLEEP, "bad": bad})
    done = small.gp("up", "--detach")
    assert done.returncode == 1
    assert "bad did not start." in done.stderr
    assert "It ended with exit code 3." in done.stderr
    assert "no such table" in done.stderr
    assert "./gp logs bad" in done.stderr
    assert not small.ids()  # what this start brought up is stopped again
    assert "no such table" in small.gp("logs", "bad").stdout


def test_a_container_that_never_gets_healthy(small: Development) -> None:
    """An unhealthy service is named with what its check said and its last lines."""
    test = "echo port 80 is closed; exit 1"
    small.write({"web": shell("echo waiting for godot; sleep 600", healthcheck=check(test))})
    done = small.gp("up", "--detach")
    assert done.returncode == 1
    assert "Its health check fails: port 80 is closed" in done.stderr
    assert "waiting for godot" in done.stderr


def test_what_needs_a_failed_one_is_told_by_it(small: Development) -> None:
    """Where a one-shot fails, it is named, and not the service that waits for it."""
    after = {"depends_on": {"setup": {"condition": "service_completed_successfully"}}}
    small.write({"setup": shell("echo bad schema; exit 1"), "web": {**SLEEP, **after}})
    done = small.gp("up", "--detach")
    assert "setup did not start." in done.stderr
    assert "bad schema" in done.stderr


def test_an_image_that_does_not_build(small: Development) -> None:
    """A failed build shows its last lines and which image it is; nothing is started."""
    (small.root / "app").mkdir()
    (small.root / "app" / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo no compiler && false\n")
    small.write({"app": {"build": "./app"}, "other": SLEEP})
    done = small.gp("up", "--detach")
    assert done.returncode == 1
    assert "The image of app could not be built." in done.stderr
    assert "no compiler" in done.stderr
    assert not small.ids()


def test_an_image_that_cannot_be_had(small: Development) -> None:
    """A service whose image is nowhere ends `up` with the command to try; a tool is left out."""
    missing = {"image": "localhost:9/nothing:1", "x-groundplan": {"tool": True}}
    small.write({"web": SLEEP, "helper": missing})
    assert "helper is left out: its image localhost:9/nothing:1" in small.up("--tools")
    assert small.services()["helper"]["state"] == "off"
    done = small.gp("up", "--detach", "helper")
    small.write({"web": SLEEP, "helper": {"image": "localhost:9/nothing:1"}})
    done = small.gp("up", "--detach")
    assert done.returncode == 1
    assert "docker pull localhost:9/nothing:1" in done.stderr


def test_a_taken_port_is_moved(small: Development) -> None:
    """A port that another program or another checkout has is moved, and everything told of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        published = f"127.0.0.1:${{WEB_PORT:-{port}}}:6379"
        environment = {"URL": f"http://localhost:${{WEB_PORT:-{port}}}"}
        web = {"image": IMAGE, "ports": [published], "environment": environment}
        small.write({"web": web})
        said = small.up()
    assert f"Port {port} of web is taken" in said
    moved = small.status()["ports"]["WEB_PORT"]
    assert small.services()["web"]["ports"] == {"6379": int(moved)}
    assert f"URL=http://localhost:{moved}" in small.container("web")["Config"]["Env"]


def test_two_checkouts_run_side_by_side(
    small: Development, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A second checkout gets another project, other ports and another subnet."""
    other = Development(tmp_path_factory.mktemp("other"), f"{small.project}-other")
    network = {
        "networks": {
            "net": {"ipam": {"config": [{"subnet": "${GROUNDPLAN_SUBNET:-172.26.0.0/16}"}]}}
        }
    }
    for each in (small, other):
        each.write({"web": {**SLEEP, "networks": ["net"]}})
        file = each.root / "docker-compose.yml"
        file.write_text(file.read_text() + yaml.safe_dump(network))
    try:
        small.up()
        other.up()
        assert small.is_ready()
        assert other.is_ready()
        assert small.ids().isdisjoint(other.ids())
        assert other.gp("down").returncode == 0
        assert small.is_ready()
    finally:
        other.remove()


def test_the_name_of_the_project_is_not_shared(small: Development) -> None:
    """Where another checkout has the project's name, this one takes another and never touches that one."""
    small.write({"web": SLEEP})
    small.up()
    other = Development(small.root / "copy", small.project)
    other.root.mkdir()
    other.write({"web": SLEEP})
    done = other.gp("up", "--detach", COMPOSE_PROJECT_NAME="")
    assert done.returncode == 0, done.stderr
    name = re.search(r"as the project (\S+)", done.stderr)
    assert name
    assert name[1].startswith(f"{small.project}-")
    done = other.gp("down", "--volumes", "--yes", COMPOSE_PROJECT_NAME="")
    assert done.returncode == 0, done.stderr
    assert small.is_ready()


def test_what_compose_started_is_understood(small: Development) -> None:
    """`status`, `logs` and `down` work on what plain `docker compose up` started."""
    small.write({"web": shell("echo hello from compose; sleep 600")})
    small.compose("up", "--detach")
    assert small.services()["web"]["state"] == "healthy"
    assert "hello from compose" in small.gp("logs").stdout
    before = small.ids()
    small.up()
    assert small.ids() == before
    assert small.gp("down").stderr == "Stopped.\n"
    assert not small.ids()


def test_ctrl_c_stops_everything(small: Development) -> None:
    """In the foreground `up` shows the logs until Ctrl-C, which stops every container."""
    talk = shell("while :; do echo still here; sleep 0.2; done")
    small.write({"web": talk, "other": SLEEP})
    with small.in_foreground() as process:
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        assert any("still here" in line for line in lines)
    assert process.returncode == 0
    assert not small.ids()


def test_missing_folders_are_the_users(small: Development) -> None:
    """A folder that is mounted and missing is made by `up`, not by Docker as root."""
    small.write({"web": {**SLEEP, "volumes": ["./data/deep:/data"]}})
    small.up()
    assert (small.root / "data" / "deep").stat().st_uid == os.getuid()


def test_the_other_runtime_does_not_start_beside_it(small: Development) -> None:
    """While containers run, `up --runtime native` says so and starts nothing."""
    small.write({"web": SLEEP})
    small.up()
    done = small.gp("up", "--runtime", "native", "--detach")
    assert done.returncode == 1
    assert "The system runs already, with the runtime docker." in done.stderr
    assert "./gp down" in done.stderr
