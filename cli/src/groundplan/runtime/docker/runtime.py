"""The Docker runtime: services as containers of a Compose project."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from groundplan.errors import UserError
from groundplan.model.place import DEVELOPMENT, FILES
from groundplan.model.workspace import Service, Workspace, load
from groundplan.runtime import memory
from groundplan.runtime.docker import containers, engine, logs, project
from groundplan.runtime.docker.containers import Container
from groundplan.runtime.docker.engine import Project
from groundplan.runtime.docker.start import Start
from groundplan.runtime.events import READY_STATES, Emit, Event, State
from groundplan.runtime.protocol import Call, Line, Plan, Step
from groundplan.runtime.state import ServiceState, SystemState

# By the server's own socket, which asks for no password.
_PSQL = 'exec psql --username "$POSTGRES_USER" --dbname "${POSTGRES_DB:-$POSTGRES_USER}" "$@"'


class DockerRuntime:
    """Implements `Runtime` for development."""

    name = "docker"

    def __init__(self, root: Path, instance: str = DEVELOPMENT) -> None:
        self._root = root
        self._instance = instance

    # -- starting ---------------------------------------------------------------------------

    def plan(self, names: Sequence[str], tools: bool) -> Plan:
        """See `Runtime`."""
        engine.find()
        workspace = load(self._root, instance=self._instance)
        chosen = [
            service.name
            for service in workspace.services.values()
            if service.is_active and (tools or not service.is_tool)
        ]
        wanted = workspace.closure(names or chosen)
        return Plan(workspace, [_step(workspace.services[name]) for name in wanted])

    def up(self, plan: Plan, emit: Emit, detach: bool) -> None:
        """See `Runtime`."""
        name = self._project_name(plan.workspace.name)
        running = [each for each in containers.of_project(name) if each.pid]
        variables, moves = project.variables(plan.workspace, name, plan.names, running)
        for move in moves:
            text = f"Port {move.default} of {move.service} is taken: it is at {move.port} now."
            emit(Event("notice", move.service, text=text))
        if not os.environ.get(project.NAME):
            memory.remember(self._root, self._instance, self.name, name)
        workspace = load(self._root, variables, self._instance)
        _make_folders(workspace, plan.names)
        here = Project(self._root, name, variables=variables)
        asyncio.run(Start(here, workspace, plan.names, emit).run(detach))

    def _project_name(self, default: str) -> str:
        known = memory.recall(self._root, self._instance).get("project")
        return project.name_of(self._root, known, default)

    def _workspace(self) -> Workspace:
        return load(self._root, instance=self._instance)

    def _project(self) -> Project:
        """The project as it is, with the variables of what runs."""
        workspace = self._workspace()
        name = self._project_name(workspace.name)
        found = containers.of_project(name)
        return Project(self._root, name, variables=project.ports_of(workspace, found))

    # -- stopping ---------------------------------------------------------------------------

    def stop(self) -> bool:
        """See `Runtime`."""
        here = self._project()
        was_running = any(container.pid for container in containers.of_project(here.name))
        here.run("stop")
        # Anonymous volumes hold packages of images only, and would pile up.
        here.run("rm", "--force", "--volumes")
        here.run("down", "--remove-orphans")
        return was_running

    def data(self) -> list[str]:
        """See `Runtime`."""
        label = f"label={containers.PROJECT}={self._project().name}"
        words = ["volume", "ls", "--quiet", "--filter", label]
        done = subprocess.run([engine.find().program, *words], capture_output=True, text=True)
        # Those with a name: the others go with their containers.
        return [name for name in done.stdout.split() if not _is_anonymous(name)]

    def delete_data(self) -> None:
        """See `Runtime`."""
        self._project().run("down", "--volumes", "--remove-orphans")

    # -- telling ----------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """True if a container of this workspace's development runs."""
        return any(container.pid for container in self._containers())

    def _containers(self) -> list[Container]:
        """All of them, stopped ones too, whoever started them."""
        found = containers.of_folder(self._root, FILES[DEVELOPMENT])
        name = os.environ.get(project.NAME)
        return [each for each in found if name in (None, "", each.project)]

    def status(self) -> SystemState:
        """See `Runtime`."""
        found = self._containers()
        if not found:
            return SystemState(runtime=self.name)
        workspace = self._workspace()
        # Of several replicas, one that is not well stands for all.
        found.sort(key=lambda container: container.state in READY_STATES)
        shown = {container.service: container for container in reversed(found)}
        services = [
            _service_state(service, shown.get(service.name), service.name in workspace.oneshots)
            for service in workspace.services.values()
        ]
        return SystemState(
            runtime=self.name,
            started=min(container.started for container in found),
            services=services,
            ports=workspace.port_variables | project.ports_of(workspace, found),
        )

    def logs(self, names: Sequence[str], follow: bool, lines: int) -> Iterator[Line]:
        """See `Runtime`."""
        here = self._project()
        there = {container.service for container in containers.of_project(here.name)}
        if not there:
            raise UserError("There are no logs yet.", hint="Start the system: ./gp up")
        chosen = [name for name in names if name in there]
        last = here.run(*logs.words(chosen, follow=False, lines=lines)).stdout
        yield from sorted(filter(None, map(logs.parse, last.splitlines())))
        if follow:
            yield from _followed(here, chosen)

    # -- commands ---------------------------------------------------------------------------

    def call(
        self,
        workspace: Workspace,
        service: Service,
        words: Sequence[str],
        variables: Mapping[str, str] = MappingProxyType({}),
        on_terminal: bool = False,
    ) -> Call:
        """See `Runtime`."""
        here = self._project()
        runs = any(
            each.pid for each in containers.of_project(here.name) if each.service == service.name
        )
        # `run` takes the values of variables from its own environment, `exec` only from its command line.
        how = ["exec"] if runs and not variables else ["run", "--rm", "--no-deps"]
        named = [word for name in variables for word in ("--env", name)]
        terminal = _terminal() if on_terminal else ["--no-TTY"]
        command = here.command(*how, *terminal, *named, service.name, *words)
        return Call((*command,), here.process_environment | dict(variables))

    def psql(self, workspace: Workspace, service: Service, arguments: Sequence[str]) -> int:
        """See `Runtime`."""
        shell = ("sh", "-c", _PSQL, "psql")
        return _on_terminal(self._project(), "exec", *_terminal(), service.name, *shell, *arguments)


def _followed(here: Project, names: Sequence[str]) -> Iterator[Line]:
    with subprocess.Popen(
        here.command(*logs.words(names, follow=True, lines=0)),
        env=here.process_environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        try:
            yield from filter(None, map(logs.parse, map(str.rstrip, process.stdout)))
        finally:
            process.terminate()


def _on_terminal(here: Project, *words: str) -> int:
    return subprocess.run(here.command(*words), env=here.process_environment).returncode


def _terminal() -> list[str]:
    """Compose gives the command a terminal unless it is told that there is none."""
    return [] if sys.stdin.isatty() and sys.stdout.isatty() else ["--no-TTY"]


def _step(service: Service) -> Step:
    image = "builds its image" if service.context else f"pulls {service.image} unless it is there"
    return Step(
        service.name,
        [f"{name} {condition}" for name, condition in service.depends_on.items()],
        [image],
        [port.published for port in service.ports if port.published],
    )


def _make_folders(workspace: Workspace, names: Sequence[str]) -> None:
    """Make as the user what is missing for mounts in the checkout; Docker would make it as root."""
    for service in (workspace.services[name] for name in names):
        for outer in service.mounts:
            if outer.is_bind and outer.source:
                _make_folder(Path(outer.source))
                for inner in service.mounts:
                    if inner is not outer and Path(inner.target).is_relative_to(outer.target):
                        _make_folder(outer.source / Path(inner.target).relative_to(outer.target))


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)


def _service_state(service: Service, container: Container | None, is_oneshot: bool) -> ServiceState:
    if container is None:
        return ServiceState(service.name, State.OFF, is_tool=service.is_tool)
    return ServiceState(
        service.name,
        container.state_if(is_oneshot=is_oneshot),
        url=_url(service, container) if container.pid else None,
        pid=container.pid,
        restarts=container.restarts,
        why=container.why,
        is_tool=service.is_tool,
        report=container.report,
        ports={str(target): port for target, port in container.ports.items()},
    )


def _url(service: Service, container: Container) -> str | None:
    """The first page of a service, else the address of its first published port."""
    published = [port for port in service.ports if port.target in container.ports]
    for port in sorted(published, key=lambda port: port.protocol != "HTTP"):
        return f"{port.protocol.lower()}://localhost:{container.ports[port.target]}"
    return None


def _is_anonymous(name: str) -> bool:
    return len(name) == 64 and all(character in "0123456789abcdef" for character in name)
