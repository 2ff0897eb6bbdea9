"""Development systems on the Docker engine, as their tests see them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml
from dotenv import dotenv_values

from engine import docker

_VERSION = "development-test"
OWNER = os.getuid() or 1234
"""Whose files the checkout holds: an ordinary user's, also where root runs the tests."""


@dataclass(frozen=True)
class Development:
    """A checkout that runs with Docker, as a Compose project of its own."""

    root: Path
    project: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its user."""
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_PORT")}
        kept.pop("GROUNDPLAN_INSTANCE", None)
        return kept | {
            "COLUMNS": "200",
            "COMPOSE_PROJECT_NAME": self.project,
            "GROUNDPLAN_GID": str(OWNER),
            "GROUNDPLAN_ROOT": str(self.root),
            "GROUNDPLAN_RUNTIME": "docker",
            "GROUNDPLAN_UID": str(OWNER),
            "GROUNDPLAN_VERSION": _VERSION,
        }

    def gp(
        self, *words: str, answer: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the tool to its end."""
        return subprocess.run(
            [sys.executable, "-m", "groundplan", *words],
            env=self.environment | variables,
            capture_output=True,
            text=True,
            input=answer,
            timeout=300,
        )

    def up(self, *words: str) -> str:
        """Start it, and return what `up` says; fails where it does not become ready."""
        done = self.gp("up", "--detach", *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def compose(self, *words: str) -> str:
        """Run Compose on its files, as a user does who has no tool."""
        files = ("docker-compose.yml", "docker-compose.development.yml")
        options = [word for file in files for word in ("-f", str(self.root / file))]
        done = subprocess.run(
            ["docker", "compose", *options, *words],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `status --json` prints."""
        return dict(json.loads(self.gp("status", "--json").stdout))

    def services(self) -> dict[str, dict[str, Any]]:
        """The services of `status --json` by name."""
        return {service["name"]: service for service in self.status()["services"]}

    def is_ready(self) -> bool:
        """True if every service is up."""
        return self.gp("status").returncode == 0

    def container(self, service: str) -> dict[str, Any]:
        """What `docker inspect` tells of the container of a service."""
        number = docker("ps", "-aq", "--filter", self._label, "--filter", _of(service)).split()[0]
        return dict(json.loads(docker("inspect", number))[0])

    def ids(self) -> set[str]:
        """The ids of its containers that run."""
        return set(docker("ps", "-q", "--filter", self._label).split())

    def volumes(self) -> set[str]:
        """The names of its volumes."""
        return set(docker("volume", "ls", "-q", "--filter", self._label).split())

    @property
    def settings(self) -> dict[str, str | None]:
        """Its config/.env."""
        return dict(dotenv_values(self.root / "config" / ".env"))

    @contextmanager
    def client(self) -> Iterator[httpx2.Client]:
        """A client that reaches the API through the frontend, signed in as the first user."""
        base = f"{self.services()['frontend']['url']}/api/v1"
        credentials = {
            "email": self.settings["ADMIN_EMAIL"],
            "password": self.settings["ADMIN_PASSWORD"],
        }
        with httpx2.Client(base_url=base, timeout=30) as client:
            answer = client.post("/auth/login", json=credentials)
            assert answer.status_code == 200, answer.text
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            yield client

    def write(self, services: dict[str, Any], development: dict[str, Any] | None = None) -> None:
        """Write Compose files with these services, and an empty example of the settings."""
        (self.root / "config").mkdir(exist_ok=True)
        (self.root / "config" / ".env.example").write_text("SECRET=<random 24>\n")
        tree = {"name": self.project, "services": services}
        (self.root / "docker-compose.yml").write_text(yaml.safe_dump(tree))
        over = yaml.safe_dump({"services": development or {}})
        (self.root / "docker-compose.development.yml").write_text(over)

    @contextmanager
    def in_foreground(self) -> Iterator[subprocess.Popen[str]]:
        """`up` as it runs until Ctrl-C."""
        with subprocess.Popen(
            [sys.executable, "-m", "groundplan", "up"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=60)

    def remove(self) -> None:
        """Remove its containers, networks and volumes."""
        for words in (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q")):
            found = docker(*words, "--filter", self._label).split()
            kind = {"ps": ("rm", "-f", "-v")}.get(words[0], (words[0], "rm"))
            if found:
                docker(*kind, *found)

    @property
    def _label(self) -> str:
        return f"label=com.docker.compose.project={self.project}"


def _of(service: str) -> str:
    return f"label=com.docker.compose.service={service}"
