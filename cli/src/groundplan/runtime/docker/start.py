"""Starts the services as containers, and tells how they do.

Compose starts, orders and restarts them; this follows what the engine says about them.
"""

import asyncio
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from groundplan.errors import UserError
from groundplan.model.workspace import Service, Workspace
from groundplan.runtime.docker import containers, logs
from groundplan.runtime.docker.containers import Container
from groundplan.runtime.docker.engine import Project, find
from groundplan.runtime.docker.process import Process, lines, run, running
from groundplan.runtime.events import READY_STATES, Emit, Event, State

_START_ATTEMPTS = 3
_SETTLED_AFTER = 1.0
"""Seconds that a service without a health check must last before it counts as healthy."""
_LOOK_EVERY = 0.5
"""Seconds after which the containers are looked at, if the engine says nothing."""
_LAST_LINES = 12
_EVENTS = ("start", "die", "oom", "destroy", "health_status")
_BUILD_STEP = re.compile(r"#\d+ \[(\S+) (.*)\]")
_BUILD_NOISE = re.compile(r"^(#\d+ (DONE|CACHED|sha256:|exporting|transferring)|--+$|$)")


class _StoppedError(Exception):
    """The user wants everything stopped."""


class Start:
    """One `up` of the services `names` of a project."""

    def __init__(
        self, project: Project, workspace: Workspace, names: Sequence[str], emit: Emit
    ) -> None:
        self._project = project
        self._workspace = workspace
        self._names = list(names)
        self._emit = emit
        self._stopping = asyncio.Event()
        self._began = time.monotonic()
        self._told: dict[str, tuple[State, str]] = {}
        there = containers.of_project(project.name)
        self._before = {container.service for container in there if container.pid}
        self._restarts = {container.id: container.restarts for container in there}

    async def run(self, detach: bool) -> None:
        """Start everything; return once it is ready if `detach`, else when it is stopped again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        try:
            await self._unless_stopped(self._bring_up())
            seconds = time.monotonic() - self._began
            project = f"with Docker, as the project {self._project.name}"
            self._emit(Event("ready", text=project, seconds=seconds))
            if not detach:
                await self._unless_stopped(self._follow())
        except _StoppedError:
            await self._stop_services(self._workspace.services)
            self._emit(Event("stopped"))
            if detach:
                raise KeyboardInterrupt from None
        except UserError:
            await self._stop_services(name for name in self._names if name not in self._before)
            raise

    def _stop(self) -> None:
        self._emit(Event("notice", text="Stopping."))
        self._stopping.set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; raises _StoppedError, the work cancelled, as soon as the user wants to stop."""
        task, stopping = asyncio.create_task(work), asyncio.create_task(self._stopping.wait())
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            return task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        raise _StoppedError

    # -- images -----------------------------------------------------------------------------

    async def _bring_up(self) -> None:
        fresh = [self._workspace.services[name] for name in self._names if name not in self._before]
        in_use = {self._workspace.services[name].image for name in self._before}
        await self._build([it for it in fresh if it.context and it.image not in in_use])
        for service in fresh:
            if not service.context:
                await self._pull(service)
        await self._start()

    async def _build(self, services: list[Service]) -> None:
        """Build the images of the services; what did not change is in the engine's cache."""
        once = list({service.image: service.name for service in reversed(services)}.values())
        if not once:
            return
        for name in once:
            self._tell(name, State.INSTALLING, "builds the image")
        tail: deque[str] = deque(maxlen=_LAST_LINES)
        command = self._project.command("build", "--progress", "plain", *once)
        async with running(command, self._project) as process:
            async for line in lines(process):
                if (step := _BUILD_STEP.match(line)) and step[2] != "internal":
                    name = step[1] if step[1] in self._workspace.services else once[0]
                    self._emit(Event("progress", name, text=step[2]))
                if not _BUILD_NOISE.match(line):
                    tail.append(line)
            if not await process.wait():
                for name in once:
                    self._tell(name, State.WAITING)
                return
        failed = re.search(r"target (\S+?):", " ".join(tail))
        what = failed[1] if failed else ", ".join(once)
        raise UserError(
            f"The image of {what} could not be built.",
            why=f"The last lines:{_indented(tail)}\n",
            hint="Mend what they name, then type ./gp up again. Or run without Docker: ./gp up --runtime native",
        )

    async def _pull(self, service: Service) -> None:
        """Get the image from its registry, unless the engine has it."""
        if _has_image(service.image):
            return
        self._tell(service.name, State.INSTALLING, f"pulls {service.image}")
        tail: deque[str] = deque(maxlen=_LAST_LINES)
        command = [find().program, "pull", service.image]
        async with running(command, self._project) as process:
            async for line in lines(process):
                tail.append(line)
                self._emit(Event("progress", service.name, text=line))
            if not await process.wait():
                self._tell(service.name, State.WAITING)
                return
        if service.is_tool and self._is_dispensable(service.name):
            self._names.remove(service.name)
            self._tell(service.name, State.OFF)
            text = f"{service.name} is left out: its image {service.image} could not be had. {tail[-1]}"
            self._emit(Event("notice", service.name, text=text))
            return
        raise UserError(
            f"The image {service.image} of {service.name} could not be had.",
            why=_indented(tail),
            hint=f"Look at the network, then try it alone: docker pull {service.image}",
        )

    def _is_dispensable(self, name: str) -> bool:
        """True if nothing that is started needs the service."""
        return not any(name in self._workspace.services[other].depends_on for other in self._names)

    # -- starting ---------------------------------------------------------------------------

    async def _start(self) -> None:
        """Let Compose start the services, and wait until all are ready."""
        # Packages of an older image must not live on in an anonymous volume.
        options = ("--detach", "--no-build", "--renew-anon-volumes", "--quiet-pull")
        command = self._project.command("up", *options, *self._names)
        tail: deque[str] = deque(maxlen=_LAST_LINES)
        async with running(command, self._project) as process, _changes(self._project) as changed:
            reading = asyncio.create_task(_keep(process, tail))
            while not await self._look() or not reading.done():
                await _first_of(changed, reading)
                if reading.done() and await process.wait():
                    await self._look()  # raises where a container tells why
                    raise self._not_started(tail)

    def _not_started(self, tail: Iterable[str]) -> UserError:
        said = [line for line in tail if not line.startswith((" Container", " Network", " Volume"))]
        taken = re.search(r"Bind for \S+:(\d+) failed|listen tcp\S* \S+:(\d+)", " ".join(said))
        if taken:
            return UserError(
                f"Port {taken[1] or taken[2]} was taken by another program in the meantime.",
                hint="Type it again: ./gp up picks a free port.",
            )
        return UserError(
            "Docker Compose could not start the services.",
            why=_indented(said),
            hint="Look at ./gp status and ./gp doctor.",
        )

    async def _look(self) -> bool:
        """Tell what changed; True if all is ready. Raises UserError for a service that won't come up."""
        found = await asyncio.to_thread(containers.of_project, self._project.name)
        by_name = {container.service: container for container in found}
        for container in found:
            self._show(container)
        for name in self._names:
            if name in by_name:
                self._check(by_name[name])
        states = [self._told.get(name, (State.WAITING, ""))[0] for name in self._names]
        return all(state in READY_STATES for state in states)

    def _check(self, container: Container) -> None:
        crashes = container.restarts - self._restarts.get(container.id, 0)
        state, _ = self._told[container.service]
        if state in (State.FAILED, State.UNHEALTHY) or crashes >= _START_ATTEMPTS:
            raise _failure(container)

    def _show(self, container: Container) -> None:
        state = container.state_if(is_oneshot=container.service in self._workspace.oneshots)
        seconds = time.time() - container.started if state in READY_STATES else None
        if state == State.HEALTHY and not container.is_checked and (seconds or 0) < _SETTLED_AFTER:
            state, seconds = State.STARTING, None
        self._tell(container.service, state, container.why, seconds)

    def _tell(self, name: str, state: State, why: str = "", seconds: float | None = None) -> None:
        if self._told.get(name) != (state, why):
            self._told[name] = (state, why)
            self._emit(Event("state", name, state, why, seconds))

    # -- following --------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Tell what the services write and how they do, until none runs any more."""
        command = self._project.command(*logs.words(self._names, follow=True, lines=0))
        async with running(command, self._project) as process, _changes(self._project) as changed:
            writing = asyncio.create_task(self._pass_on(process))
            while True:
                await changed.wait()
                changed.clear()
                found = await asyncio.to_thread(containers.of_project, self._project.name)
                for container in found:
                    self._show(container)
                if not any(container.pid for container in found):
                    writing.cancel()
                    self._emit(Event("stopped"))
                    return

    async def _pass_on(self, process: Process) -> None:
        async for text in lines(process):
            if line := logs.parse(text):
                self._emit(Event("log", line.service, text=line.text))

    async def _stop_services(self, names: Iterable[str]) -> None:
        if chosen := list(names):
            await run(self._project.command("stop", *chosen), self._project)


@asynccontextmanager
async def _changes(project: Project) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever the engine says that a container of the project changed."""
    filters = [f"label={containers.PROJECT}={project.name}", *(f"event={it}" for it in _EVENTS)]
    words = [word for each in filters for word in ("--filter", each)]
    changed = asyncio.Event()

    async def read(process: Process) -> None:
        async for _ in lines(process):
            changed.set()

    async with running([find().program, "events", *words], project) as process:
        reading = asyncio.create_task(read(process))
        try:
            yield changed
        finally:
            reading.cancel()


async def _first_of(changed: asyncio.Event, reading: asyncio.Task[None]) -> None:
    """Wait until something changed, the command ended, or it is time to look again."""
    waiting = asyncio.create_task(changed.wait())
    both = {waiting, reading} if not reading.done() else {waiting}
    await asyncio.wait(both, timeout=_LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    changed.clear()


async def _keep(process: Process, tail: deque[str]) -> None:
    async for line in lines(process):
        tail.append(line)


def _failure(container: Container) -> UserError:
    """Why a container did not come up, with its last lines."""
    command = [find().program, "logs", "--tail", str(_LAST_LINES), container.id]
    done = subprocess.run(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
    )
    lines = _indented(done.stdout.splitlines())
    return UserError(
        f"{container.service} did not start.",
        why=container.why + (f" Its last lines:{lines}\n" if lines else ""),
        hint=f"Type ./gp logs {container.service} for the whole log, ./gp status to see the others.",
    )


def _has_image(image: str) -> bool:
    command = [find().program, "image", "inspect", "--format", "{{.Id}}", image]
    return subprocess.run(command, capture_output=True).returncode == 0


def _indented(lines: Iterable[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)
