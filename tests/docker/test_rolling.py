"""Replicas are replaced one by one; what does not get ready is taken away, and the old ones stay."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from engine import docker
from groundplan.deploy import containers
from groundplan.deploy.deployment import Deployment, deployment_of
from groundplan.model.place import SECRETS_FOLDER
from groundplan.secrets.inventory import Inventory

_COMPOSE = """
    services:
      setup:
        image: python:3.13-slim
        command: [python, -c, "print('done')"]
      web:
        image: python:3.13-slim
        command: [sh, -c, "python -c \\"$$PROGRAM\\" && exec python -m http.server"]
        environment: {PROGRAM: "${PROGRAM:-pass}"}
        secrets: [web-token]
        depends_on:
          setup: {condition: service_completed_successfully}
        healthcheck:
          test: [CMD, python, -c, "import urllib.request as r; r.urlopen('http://127.0.0.1:8000')"]
          interval: 500ms
        stop_signal: SIGINT
        stop_grace_period: 2s
        deploy: {replicas: 2}
        x-groundplan: {scaling: horizontal (stateless)}
      store:
        image: python:3.13-slim
        command: [python, -m, http.server]
        secrets: [web-token]
        volumes: [store-data:/data]
    volumes: {store-data: {}}
"""
_SECRETS = f"secrets: {{web-token: {{file: ./{SECRETS_FOLDER}/web-token}}}}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace that was deployed once."""
    folder = tmp_path_factory.mktemp("rolling")
    for name, text in {
        "docker-compose.yml": f"name: {folder.name}-{os.getpid()}\n{dedent(_COMPOSE)}",
        "docker-compose.production.yml": f"services: {{}}\n{_SECRETS}\n",
        "config/.env.example": "",
        "config/production/.env.example": "MODE=production\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    assert gp(folder, "secrets", "init").returncode == 0
    try:
        done = gp(folder, "deploy", "--no-build")
        assert done.returncode == 0, done.stderr
        yield folder
    finally:
        deployment_of(folder).project.run("down", "--volumes", "--timeout", "1")


@pytest.fixture
def deployment(root: Path) -> Deployment:
    """Its production."""
    return deployment_of(root)


def gp(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the workspace."""
    return subprocess.run(
        [sys.executable, "-m", "groundplan", *words],
        env={**os.environ, "GROUNDPLAN_ROOT": str(root)},
        capture_output=True,
        text=True,
    )


def running(deployment: Deployment, service: str) -> set[str]:
    """The ids of the containers of a service that run."""
    there = containers.of(deployment.project, service)
    return {each.id for each in there if containers.is_live(each)}


def configure(root: Path, program: str) -> None:
    """Let new replicas run `program` first."""
    (root / "config/production/.env").write_text(f"MODE=production\nPROGRAM={program}\n")


def test_deploy_twice(root: Path, deployment: Deployment) -> None:
    """What has not changed is left alone."""
    before = running(deployment, "web") | running(deployment, "store")
    assert len(before) == 3
    assert gp(root, "deploy", "--no-build").returncode == 0
    assert running(deployment, "web") | running(deployment, "store") == before


def test_deploy_again_replaces(root: Path, deployment: Deployment) -> None:
    """What has changed is replaced, each by one that was ready before; the rest is left alone."""
    web, store = running(deployment, "web"), running(deployment, "store")
    configure(root, "print('new')")
    planned = gp(root, "deploy", "--dry-run").stdout
    assert planned.split() == ["start", "store", "run", "setup", "replace", "web"]
    done = gp(root, "deploy", "--no-build")
    assert done.returncode == 0, done.stderr
    assert len(running(deployment, "web")) == 2
    assert not running(deployment, "web") & web
    assert running(deployment, "store") == store


def test_new_one_fails(root: Path, deployment: Deployment) -> None:
    """A version that does not start is told with its last lines; the old replicas stay, and no rest of it."""
    before = running(deployment, "web")
    configure(root, "raise SystemExit('the colour is wrong')")
    done = gp(root, "deploy", "--no-build")
    assert done.returncode == 1
    assert "web did not get ready." in done.stderr
    assert "exit code 1" in done.stderr
    assert "the colour is wrong" in done.stderr
    assert running(deployment, "web") == before
    assert {each.id for each in containers.of(deployment.project, "web")} == before


def test_replicas_come_back(root: Path, deployment: Deployment) -> None:
    """A replica that ended is made anew, and the others stay."""
    configure(root, "print('new')")
    gone, *others = sorted(running(deployment, "web"))
    docker("stop", "--time", "0", gone)
    done = gp(root, "deploy", "--no-build", "web")
    assert done.returncode == 0, done.stderr
    assert len(running(deployment, "web")) == 2
    assert {*others} <= running(deployment, "web")


def test_secrets_are_seen(root: Path, deployment: Deployment) -> None:
    """A changed secret is in the containers at once, and still after a restart."""
    Inventory(root).store.change("web-token", "a new token of some length")
    [store] = containers.of(deployment.project, "store")
    read = ("exec", store.id, "cat", "/run/secrets/web-token")
    assert docker(*read) == "a new token of some length"
    docker("restart", "--time", "0", store.id)
    assert docker(*read) == "a new token of some length"


def test_another_command_waits(root: Path) -> None:
    """While secrets change nothing is deployed."""
    with Inventory(root).store.locked():
        done = gp(root, "deploy", "--no-build")
    assert done.returncode == 1
    assert "Another command changes secrets." in done.stderr
