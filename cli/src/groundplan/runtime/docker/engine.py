"""The Docker engine of this machine, and Compose projects on it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model.place import (
    DEVELOPMENT,
    FILES,
    IMAGES_FILE,
    PRODUCTION,
    PRODUCTION_SETTINGS,
)

MIN_ENGINE = (25, 0)
"""The first engine that looks more often at the health of a container that starts (`start_interval`)."""
MIN_COMPOSE = (2, 24, 4)
"""The first Compose that knows `!reset` and `!override` as the files use them."""
_TIMEOUT = 20.0


@dataclass(frozen=True)
class Engine:
    """An engine that answers, new enough, with Compose."""

    program: str
    version: str
    compose_version: str


@cache
def find() -> Engine:
    """The engine; raises UserError that says what is missing or too old, and what to type."""
    program = shutil.which("docker")
    if program is None:
        raise UserError(
            "There is no Docker on this machine.",
            hint="Install Docker Engine with the Compose plugin, or run without: ./gp up --runtime native",
        )
    version = _ask(program, "version", "--format", "{{.Server.Version}}")
    if _numbers(version) < MIN_ENGINE:
        raise _too_old("The Docker engine", version, MIN_ENGINE)
    compose = _ask(program, "compose", "version", "--short")
    if _numbers(compose) < MIN_COMPOSE:
        raise _too_old("Docker Compose", compose, MIN_COMPOSE)
    return Engine(program, version, compose)


def answers() -> bool:
    """True if an engine answers that the workspace can use."""
    try:
        find()
    except UserError:
        return False
    return True


def _ask(program: str, *words: str) -> str:
    try:
        done = subprocess.run(
            [program, *words],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"The Docker engine did not answer within {_TIMEOUT:.0f} s.",
            hint="Look at it (systemctl status docker), or run without: ./gp up --runtime native",
        ) from error
    if done.returncode == 0 and done.stdout.strip():
        return done.stdout.strip()
    said = done.stderr.strip().splitlines()[-1:] or ["It printed nothing."]
    if words[0] == "compose":
        raise UserError(
            "Docker has no Compose plugin.",
            why=said[0],
            hint="Install it: the package docker-compose-plugin, or docker-compose of the distribution.",
        )
    refused = "permission denied" in said[0].lower()
    hint = (
        "Add your account to the group docker, and sign in again."
        if refused
        else "Start it (systemctl start docker), or run without: ./gp up --runtime native"
    )
    raise UserError("The Docker engine does not answer.", why=said[0], hint=hint)


def _too_old(what: str, version: str, needed: tuple[int, ...]) -> UserError:
    return UserError(
        f"{what} is too old: {version}.",
        why=f"Groundplan needs {'.'.join(map(str, needed))} or newer.",
        hint="Bring it up to date, or run without: ./gp up --runtime native",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


@dataclass(frozen=True)
class Project:
    """One environment of a workspace as a Compose project."""

    root: Path
    name: str
    environment: str = DEVELOPMENT
    variables: Mapping[str, str] = field(default_factory=dict)
    """What is interpolated into the Compose files besides this process's environment."""

    @property
    def files(self) -> list[Path]:
        """The Compose files in the order of their merge; with pinned base images in production."""
        names = [*FILES[self.environment]]
        if self.environment == PRODUCTION and (self.root / IMAGES_FILE).exists():
            names.append(IMAGES_FILE)
        return [self.root / name for name in names]

    def command(self, *words: str) -> list[str]:
        """`docker compose` with everything that names this project, and then `words`."""
        settings = self.root / PRODUCTION_SETTINGS
        env_file = (
            ["--env-file", str(settings)]
            if self.environment == PRODUCTION and settings.exists()
            else []
        )
        files = [word for file in self.files for word in ("--file", str(file))]
        project = ["--project-directory", str(self.root), "--project-name", self.name]
        return [find().program, "compose", *project, *env_file, *files, *words]

    @property
    def process_environment(self) -> dict[str, str]:
        """The environment for `command`."""
        return {**os.environ, **self.variables}

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Compose to its end; raises UserError with its last lines where it fails and `check`."""
        done = subprocess.run(
            self.command(*words),
            env=self.process_environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise UserError(
                f"docker compose {words[0]} failed.",
                why="\n  " + "\n  ".join(done.stderr.strip().splitlines()[-8:]),
            )
        return done

    def containers(self) -> list[dict[str, str]]:
        """What `docker compose ps` tells of every container, stopped ones too."""
        lines = self.run("ps", "--all", "--format", "json", "--no-trunc").stdout.splitlines()
        return [json.loads(line) for line in lines]
