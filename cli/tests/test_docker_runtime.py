"""The Docker runtime as far as it needs no engine: which runtime is chosen, and how containers are read."""

from pathlib import Path
from typing import Any

import pytest

from groundplan.runtime.docker import containers, logs
from groundplan.runtime.events import State
from tests.support import Workspace, service


def docker_that_answers(folder: Path, engine: str, compose: str = "2.30.0") -> str:
    """A PATH with a `docker` that tells these versions, and has no containers."""
    folder.mkdir(exist_ok=True)
    program = folder / "docker"
    program.write_text(
        '#!/bin/sh\ncase "$1 $2" in\n'
        f'"version --format") {engine} ;;\n'
        f'"compose version") echo {compose} ;;\n'
        "esac\n"
    )
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("engine", "compose", "why"),
    [
        ("echo 20.10.24", "2.30.0", "The Docker engine is too old: 20.10.24."),
        ("echo 26.1.5", "2.20.3", "Docker Compose is too old: 2.20.3."),
        ("echo no such socket >&2; exit 1", "2.30.0", "The Docker engine does not answer."),
    ],
)
def test_an_engine_that_cannot_be_used(
    workspace: Workspace, tmp_path: Path, engine: str, compose: str, why: str
) -> None:
    """Where Docker can't be used `up` runs natively and says why; asked for Docker, it refuses."""
    path = docker_that_answers(tmp_path / "bin", engine, compose)
    workspace.write({"api": service()})
    done = workspace.gp("up", "--detach", GROUNDPLAN_RUNTIME="", PATH=path)
    assert done.returncode == 0, done.stderr
    assert why in done.stderr
    assert workspace.status()["runtime"] == "native"
    workspace.gp("down")
    done = workspace.gp("up", "--detach", "--runtime", "docker", PATH=path, GROUNDPLAN_RUNTIME="")
    assert done.returncode == 1
    assert why in done.stderr
    assert "--runtime native" in done.stderr or "up to date" in done.stderr


def test_no_docker_at_all(workspace: Workspace, tmp_path: Path) -> None:
    """Without Docker `up` runs natively without a word; asked for Docker, it says what to install."""
    path = str(tmp_path)
    workspace.write({"api": service()})
    done = workspace.gp("up", "--dry-run", GROUNDPLAN_RUNTIME="", PATH=path)
    assert done.returncode == 0
    assert "Docker" not in done.stderr
    done = workspace.gp("up", "--runtime", "docker", PATH=path)
    assert done.returncode == 1
    assert "Install Docker Engine" in done.stderr


def test_a_runtime_that_is_not_known(workspace: Workspace) -> None:
    """GROUNDPLAN_RUNTIME with another name is refused, and the names are told."""
    done = workspace.gp("status", GROUNDPLAN_RUNTIME="podman")
    assert done.returncode == 2
    assert "docker or native" in done.stderr


def test_another_instance_is_native(workspace: Workspace, tmp_path: Path) -> None:
    """Another instance does not run with Docker, and says so where it is asked to."""
    path = docker_that_answers(tmp_path / "bin", "echo 26.1.5")
    done = workspace.gp(
        "up", "--runtime", "docker", PATH=path, GROUNDPLAN_INSTANCE="other", GROUNDPLAN_RUNTIME=""
    )
    assert done.returncode == 1
    assert "'other' can't run with Docker" in done.stderr


def told(status: str, health: str | None = None, **keys: Any) -> dict[str, Any]:
    """The state of a container as the engine tells it."""
    checks = [{"Output": "first line\nport 80 is closed\n"}]
    node = {"Status": status, "ExitCode": 0, "OOMKilled": False, "Error": "", **keys}
    return node | ({"Health": {"Status": health, "Log": checks}} if health else {})


@pytest.mark.parametrize(
    ("node", "state", "why"),
    [
        (told("created"), State.WAITING, ""),
        (told("created", Error="no such file"), State.FAILED, "no such file"),
        (told("running"), State.HEALTHY, ""),
        (told("running", "starting"), State.STARTING, ""),
        (told("running", "healthy"), State.HEALTHY, ""),
        (told("running", "unhealthy"), State.UNHEALTHY, "port 80 is closed"),
        (told("restarting", ExitCode=3), State.RESTARTING, "exit code 3"),
        (told("exited"), State.STOPPED, ""),
        (told("exited", ExitCode=1), State.FAILED, "exit code 1"),
        (told("exited", ExitCode=137, OOMKilled=True), State.FAILED, "memory"),
    ],
)
def test_states_of_containers(node: dict[str, Any], state: State, why: str) -> None:
    """Each state of the engine has one of ours, and a reason where something is wrong."""
    found, reason = containers.state_of(node)
    assert found == state
    assert why in reason
    assert bool(reason) == bool(why)


def test_lines_of_logs() -> None:
    """A line of Compose is taken apart; what no service wrote is left out."""
    line = logs.parse("\x1b[Kredis-commander-1  | 2026-11-23T05:17:28.5Z a | b")
    assert line
    assert (line.service, line.text) == ("redis-commander", "a | b")
    assert logs.parse("redis-1 exited with code 0") is None
