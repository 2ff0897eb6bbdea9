"""What a runtime is: a way to run the services of a workspace.

`native` runs them as ordinary processes, `docker` as containers. Commands know the protocol only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # reading Compose files takes longer to import than a status takes
    from groundplan.model.workspace import Service, Workspace
    from groundplan.runtime.events import Emit
    from groundplan.runtime.state import SystemState


@dataclass(frozen=True)
class Step:
    """What `up` does for one service."""

    service: str
    after: list[str]
    """What it waits for, e.g. "postgres service_healthy"."""
    installs: list[str]
    """What is fetched or built for it first, for people."""
    ports: list[int]
    """Where it is published if the ports are free."""


@dataclass(frozen=True)
class Plan:
    """What `up` does."""

    workspace: Workspace
    steps: list[Step]
    left_out: list[str] = field(default_factory=list)
    """Sentences about services that can't run here and are not needed."""

    @property
    def names(self) -> list[str]:
        """The services that are started."""
        return [step.service for step in self.steps]


@dataclass(frozen=True, order=True)
class Line:
    """One line that a service wrote; `time` is ISO 8601."""

    time: str
    service: str
    text: str


@dataclass(frozen=True)
class Call:
    """A command that is ready to run in the environment of a service."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    cwd: Path | None = None


class Runtime(Protocol):
    """Runs the services of one instance of a workspace."""

    @property
    def name(self) -> str:
        """ "native" or "docker"."""

    def plan(self, names: Sequence[str], tools: bool) -> Plan:
        """What it takes to start `names`, or everything if empty (tools if asked for)."""

    def up(self, plan: Plan, emit: Emit, detach: bool) -> None:
        """Start the services; return once all are ready if `detach`, else when they are stopped again.

        Raises UserError, with nothing of this start left running, where a service does not come up.
        """

    def stop(self) -> bool:
        """Stop every service and keep the data; False if nothing was running."""

    def data(self) -> list[str]:
        """Where the data of the services lie: folders or names of volumes."""

    def delete_data(self) -> None:
        """Delete all data; call it after `stop`."""

    def status(self) -> SystemState:
        """What runs, and where."""

    def logs(self, names: Sequence[str], follow: bool, lines: int) -> Iterator[Line]:
        """The last `lines` of each service (of all, if none is named) in one order; then new ones if `follow`."""

    def call(
        self,
        workspace: Workspace,
        service: Service,
        words: Sequence[str],
        variables: Mapping[str, str] = MappingProxyType({}),
        on_terminal: bool = False,
    ) -> Call:
        """A command in the environment of `service`, with `variables` before its own.

        The values of variables are on no command line; a command that gets some runs apart from the service.
        """

    def psql(self, workspace: Workspace, service: Service, arguments: Sequence[str]) -> int:
        """Run psql on the PostgreSQL server `service`, on this terminal; its exit code."""
