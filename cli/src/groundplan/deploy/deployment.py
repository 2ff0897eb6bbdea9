"""Brings production up, and brings what runs to the newest version."""

import os
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundplan.deploy import containers, rolling
from groundplan.deploy.plan import Action, Step, plan
from groundplan.errors import UserError
from groundplan.model.place import PRODUCTION
from groundplan.model.workspace import Workspace
from groundplan.runtime.docker.engine import Project
from groundplan.runtime.events import Emit, Event, State
from groundplan.secrets.inventory import Inventory

_RECREATED = re.compile(r"Container \S+ +Recreate\b")


@dataclass(frozen=True)
class Deployment:
    """One workspace's production on this machine's engine."""

    workspace: Workspace
    project: Project

    def build(self, names: Sequence[str], quiet: bool) -> None:
        """Build the images of `names`, or all; Docker shows its progress. Raises UserError."""
        words = self.project.command("build", *(["--quiet"] if quiet else []), *names)
        if subprocess.run(words, env=self.project.process_environment).returncode:
            raise UserError(
                "An image does not build.",
                why="Docker says above which step failed. What runs was not touched.",
                hint="Mend it, then type ./gp deploy again.",
            )

    def plan(self, names: Sequence[str], force: bool) -> list[Step]:
        """What would be done now; `force` replaces what has not changed, too."""
        outdated = self.outdated()
        if force:
            outdated = {it.service for it in containers.of(self.project)}
        return plan(self.workspace, names, outdated)

    def outdated(self) -> set[str]:
        """The replaceable services that have a container which Compose would make anew."""
        there = {container.service for container in containers.of(self.project)}
        return {
            name
            for name, service in self.workspace.services.items()
            if name in there and rolling.is_replaceable(service) and self._would_recreate(name)
        }

    def _would_recreate(self, name: str) -> bool:
        # A service is always asked for alone, as it is started: what Compose compares depends on
        # the services that are named with it.
        said = self.project.run("--dry-run", "up", "--detach", "--no-deps", "--no-build", name)
        return bool(_RECREATED.search(said.stderr))

    def carry_out(self, steps: Sequence[Step], emit: Emit) -> None:
        """Do the steps; raises UserError with the last lines of what did not get ready."""
        began = time.monotonic()
        for step in steps:
            match step.action:
                case Action.START:
                    self._start(step.services, emit)
                case Action.RUN:
                    self.run_to_end(step.services, emit)
                case Action.REPLACE:
                    for name in step.services:
                        self.replace(name, emit)
        count = len({name for step in steps for name in step.services})
        emit(Event("ready", text=f"{count} services", seconds=time.monotonic() - began))

    def replace(self, name: str, emit: Emit) -> None:
        """Replace every container of a service that there is now."""
        there = {it.id for it in containers.of(self.project, name)}
        rolling.replace(self.project, self.workspace.service(name), there, emit)

    def renew(self, name: str, emit: Emit) -> None:
        """Let a service start anew: its replicas one by one, or where there can be one only, that one."""
        service = self.workspace.service(name)
        if not containers.of(self.project, name):
            return
        if rolling.is_replaceable(service):
            self.replace(name, emit)
            return
        began = time.monotonic()
        emit(Event("state", name, State.RESTARTING))
        self.project.run("restart", "--no-deps", name)
        self._wait(name, began, emit)

    def is_running(self) -> bool:
        """True if any container of production runs."""
        return any(map(containers.is_live, containers.of(self.project)))

    def has_data(self) -> bool:
        """True if production has volumes: it was started once."""
        return containers.has_volumes(self.project)

    def run_to_end(self, names: Sequence[str], emit: Emit) -> None:
        """Run services that end by themselves, anew."""
        self._up(names, emit, "--force-recreate")
        for name in names:
            began = time.monotonic()
            ids = {it.id for it in containers.of(self.project, name)}
            patience = rolling.patience(self.workspace.service(name))
            containers.wait(self.project, ids, patience, to_end=True)
            emit(Event("state", name, State.COMPLETED, seconds=time.monotonic() - began))

    def _start(self, names: Sequence[str], emit: Emit) -> None:
        began = time.monotonic()
        self._up(names, emit)
        for name in names:
            self._wait(name, began, emit)

    def _wait(self, name: str, began: float, emit: Emit) -> None:
        ids = {it.id for it in containers.of(self.project, name)}
        containers.wait(self.project, ids, rolling.patience(self.workspace.service(name)))
        emit(Event("state", name, State.HEALTHY, seconds=time.monotonic() - began))

    def _up(self, names: Sequence[str], emit: Emit, *options: str) -> None:
        for name in names:
            emit(Event("state", name, State.STARTING))
        self.project.run("up", "--detach", "--no-deps", "--no-build", *options, *names)


def deployment_of(root: Path) -> Deployment:
    """Production of the workspace at `root`; $COMPOSE_PROJECT_NAME separates several on one machine."""
    workspace = Inventory(root).workspace
    name = os.environ.get("COMPOSE_PROJECT_NAME") or workspace.name
    return Deployment(workspace, Project(root, name, PRODUCTION))
