"""`./gp test PART --servers containers`: the servers are what the Compose files say, and gone afterwards."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from harness import ROOT

pytestmark = pytest.mark.long
_COMPOSE = """
    services:
      shop:
        build: ./shop
        command: [python, -m, shop]
        depends_on: [cache]
      cache:
        image: {image}
        entrypoint: [sh, /conf/start.sh]
        command: ["--port", "6379"]
        user: "999:999"
        env_file: config/.env
        environment: {{GREETING: "hello $$world"}}
        ports: ["127.0.0.1:${{CACHE_PORT:-6379}}:6379"]
        volumes: ["cache-data:/data", "./conf:/conf:ro"]
        healthcheck: {{test: {test}, interval: 1s, timeout: 3s, retries: 2}}
    volumes: {{cache-data: }}
"""
_HEALTHY = '["CMD", "redis-cli", "ping"]'
_START = 'echo "starts as $(id -u)"\nexec redis-server --requirepass "$CACHE_PASSWORD" "$@"\n'
_RUN = """
    import json, sys
    from groundplan.commands.test import ended_in_order
    from groundplan.errors import UserError
    from groundplan.model.place import find_root
    from groundplan.model.workspace import load
    from groundplan.runtime.docker import servers
    try:
        workspace = load(find_root(), instance="test")
        with ended_in_order(), servers.run(workspace, ["cache"]) as ports:
            print(json.dumps(ports), flush=True)
            sys.stdin.read()
    except UserError as error:
        sys.exit(f"{error.what}\\n{error.why}\\n{error.hint}")
"""


class Shop:
    """A small workspace with one server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("config", "conf", "shop"):
            (root / folder).mkdir()
        (root / "config" / ".env.example").write_text("CACHE_PASSWORD=<random 20>\n")
        (root / "conf" / "start.sh").write_text(_START)
        self.write()
        self._started: list[subprocess.Popen[str]] = []

    def write(self, image: str = "redis:8", test: str = _HEALTHY) -> None:
        """Write the Compose files."""
        text = dedent(_COMPOSE).format(image=image, test=test)
        (self.root / "docker-compose.yml").write_text(text)
        (self.root / "docker-compose.development.yml").write_text("services: {}\n")

    def start(self, **variables: str) -> subprocess.Popen[str]:
        """Start the servers; they run until its standard input is closed."""
        process = subprocess.Popen(
            [sys.executable, "-c", dedent(_RUN)],
            env={**os.environ, "GROUNDPLAN_ROOT": str(self.root), **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def ports(self, process: subprocess.Popen[str]) -> dict[str, str]:
        """The ports, once all servers are healthy."""
        assert process.stdout
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        ports: dict[str, str] = json.loads(line)
        return ports

    def containers(self) -> list[dict[str, Any]]:
        """Every container of this workspace as `docker inspect` tells."""
        label = f"label=groundplan.servers={self.root / 'tmp' / 'test'}"
        ids = _docker("ps", "--all", "--quiet", "--filter", label).split()
        found: list[dict[str, Any]] = json.loads(_docker("inspect", *ids)) if ids else []
        return found

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            process.kill()
            process.communicate()
        for container in self.containers():
            _docker("rm", "--force", "--volumes", container["Id"])


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A workspace with one server; whatever it starts is removed."""
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def test_server_is_what_the_compose_files_say(shop: Shop) -> None:
    """Image, command, user, settings and mounts are the service's; its port is on loopback only."""
    ports = shop.ports(shop.start())
    (container,) = shop.containers()
    config, bindings = container["Config"], container["NetworkSettings"]["Ports"]
    assert config["Image"] == "redis:8"
    assert (config["Entrypoint"], config["Cmd"]) == (["sh", "/conf/start.sh"], ["--port", "6379"])
    assert (config["User"], "GREETING=hello $world" in config["Env"]) == ("999:999", True)
    settings = (shop.root / "tmp" / "test" / "config" / ".env").read_text().strip()
    assert settings in config["Env"]
    assert bindings["6379/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": ports["CACHE_PORT"]}]
    mounts = {mount["Destination"]: mount for mount in container["Mounts"]}
    assert (mounts["/conf"]["Source"], mounts["/conf"]["RW"]) == (str(shop.root / "conf"), False)
    assert mounts["/data"]["Type"] == "volume"


def test_nothing_is_left(shop: Shop) -> None:
    """Container, network and volume are gone when the tests have ended."""
    process = shop.start()
    shop.ports(process)
    (container,) = shop.containers()
    volume = next(m["Name"] for m in container["Mounts"] if m["Type"] == "volume")
    network = next(iter(container["NetworkSettings"]["Networks"]))
    process.communicate()
    assert process.returncode == 0
    assert shop.containers() == []
    assert volume not in _docker("volume", "ls", "--quiet").split()
    assert network not in _docker("network", "ls", "--format", "{{.Name}}").split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_after_a_signal(shop: Shop, number: signal.Signals) -> None:
    """Ctrl-C and `kill` clean up too."""
    process = shop.start()
    shop.ports(process)
    process.send_signal(number)
    process.wait(timeout=30)
    assert process.returncode != 0
    assert shop.containers() == []


def test_what_a_killed_run_left_is_removed_by_the_next(shop: Shop) -> None:
    """After kill -9 the next run starts from nothing."""
    first = shop.start()
    shop.ports(first)
    (left,) = shop.containers()
    first.kill()
    first.wait()
    shop.ports(shop.start())
    assert [container["Id"] == left["Id"] for container in shop.containers()] == [False]


def test_second_run_is_refused(shop: Shop) -> None:
    """Two runs would remove each other's containers."""
    shop.ports(shop.start())
    second = shop.start()
    _, errors = second.communicate()
    assert (second.returncode, "Tests are running already" in errors) == (1, True), errors
    assert len(shop.containers()) == 1


@pytest.mark.parametrize(
    ("start", "test", "what", "said"),
    [
        ("echo the disk is full\nexit 3\n", _HEALTHY, "ended", "the disk is full"),
        (_START, '["CMD", "false"]', "did not get healthy", "Ready to accept"),
    ],
    ids=["ends", "never healthy"],
)
def test_server_that_fails_is_told_with_its_last_lines(
    shop: Shop, start: str, test: str, what: str, said: str
) -> None:
    """What the server wrote is shown, and nothing of it stays."""
    (shop.root / "conf" / "start.sh").write_text(start)
    shop.write(test=test)
    process = shop.start()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"The container of cache (redis:8) {what}." in errors
    assert said in errors
    assert shop.containers() == []


def test_image_that_cannot_be_had_is_told(shop: Shop) -> None:
    """An image that is neither here nor to be fetched ends in one clear error."""
    shop.write(image="localhost:1/nothing:1")
    _, errors = shop.start().communicate(timeout=60)
    assert "The container of cache (localhost:1/nothing:1) did not start." in errors
    assert "Traceback" not in errors


def test_without_an_engine_the_native_servers_are_named(shop: Shop) -> None:
    """Where no engine answers, the error says so and what to type instead."""
    process = shop.start(DOCKER_HOST="unix:///nowhere/docker.sock")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "need Docker" in errors
    assert "./gp test --servers native" in errors


def test_only_services_take_their_servers_from_containers() -> None:
    """The tests of the whole system and of the tool are refused before anything starts."""
    for words in ((), ("system",), ("cli",)):
        done = _gp("test", *words, "--servers", "containers")
        assert (done.returncode, "Only the tests of a service" in done.stderr) == (2, True), (
            done.stderr
        )
    assert _gp("test", "api", "--servers", "clouds").returncode == 2


def test_tests_of_the_api_pass_on_containers() -> None:
    """A slice of the API's tests: PostgreSQL, Redis, RabbitMQ and the storage are containers."""
    done = _gp("test", "api", "--servers", "containers", "--", "-k", "login")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def _gp(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "gp", *words], cwd=ROOT, capture_output=True, text=True)
