"""Starts services in order, keeps them running and stops them.

A service goes through these states:

    waiting → installing → waiting → starting → healthy ⇄ unhealthy
                                        ↑          ↓
                                        └─ restarting (it ended, or nothing answers any more)
    starting → completed (ended with 0, and others wait for that) | failed (start given up)
    any → stopping → stopped
"""

import asyncio
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from groundplan.errors import UserError
from groundplan.model.workspace import Healthcheck, Service, Workspace
from groundplan.runtime.events import Emit, Event, State
from groundplan.runtime.native import cache
from groundplan.runtime.native.addresses import Addresses
from groundplan.runtime.native.drivers import driver_of
from groundplan.runtime.native.drivers.base import Driver, Launch, Site
from groundplan.runtime.native.probes import CommandProbe
from groundplan.runtime.native.process import Keeper, Log, ServiceProcess
from groundplan.runtime.native.requirements import Requirement
from groundplan.runtime.native.sockets import is_foreign
from groundplan.runtime.native.state import StateFile
from groundplan.runtime.state import ServiceState, SystemState

_START_ATTEMPTS = 3
_MINIMUM_START_TIME = 60.0  # of a service that states no start_period
_BACKOFF_FIRST, _BACKOFF_MOST = 0.5, 30.0
_STABLE_AFTER = 60.0
_START_INTERVAL = 0.1


@dataclass
class Unit:
    """A service under supervision."""

    service: Service
    driver: Driver
    is_oneshot: bool
    state: State = State.WAITING
    why: str = ""
    url: str | None = None
    process: ServiceProcess | None = None
    restarts: int = 0
    exit_code: int | None = None
    began: float = 0.0
    stop_grace: float = 10.0
    ready_at: float | None = None
    tail: list[str] = field(default_factory=list)
    """The last lines of its log."""
    report: str = ""
    """What its health check printed last."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name


class StartError(UserError):
    """A service did not come up."""

    def __init__(self, unit: Unit, why: str, hint: str = "") -> None:
        lines = "".join(f"\n  {line}" for line in unit.tail[-12:])
        super().__init__(
            f"{unit.name} did not start.",
            why=why + (f" Its last lines:{lines}\n" if lines else ""),
            hint=hint
            or f"Type ./gp logs {unit.name} for the whole log, ./gp doctor to see what is missing.",
        )


class Supervisor:
    """Runs the services `names` of a workspace until it is told to stop."""

    def __init__(self, workspace: Workspace, names: Iterable[str], emit: Emit) -> None:
        self._workspace = workspace
        self._site = Site(workspace, Addresses(workspace))
        self._emit = emit
        self._state_file = StateFile(workspace.state)
        self._keeper = Keeper()
        self._stopping = asyncio.Event()
        self._installs: dict[Requirement, asyncio.Task[None]] = {}
        self._began = time.monotonic()
        self._started_at = time.time()
        wanted = set(names)
        self._units = {
            name: Unit(service, driver_of(service), name in workspace.oneshots)
            for name, service in workspace.services.items()
            if name in wanted
        }
        self._off = [service for name, service in workspace.services.items() if name not in wanted]

    def stop(self) -> None:
        """Begin to stop everything; `run` returns when all is gone."""
        self._stopping.set()

    async def run(self) -> None:
        """Start all services, keep them running until `stop`, and stop them.

        Raises StartError (everything is stopped by then) if one does not come up.
        """
        await self._keeper.start()
        self._write_state()
        tasks = [asyncio.create_task(self._supervise(unit)) for unit in self._units.values()]
        stopping = asyncio.create_task(self._stopping.wait())
        announcement = asyncio.create_task(self._announce_ready())
        try:
            await self._until_stopped_or_failed(stopping, tasks)
        finally:
            self._stopping.set()
            announcement.cancel()
            cache.abort()
            for unit in self._units.values():  # wakes those that wait for it: they see the stop
                unit.started.set()
                unit.ready.set()
            await self._stop_all()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._keeper.stop()
            self._emit(Event("stopped"))

    async def _until_stopped_or_failed(
        self, stopping: asyncio.Task[bool], tasks: list[asyncio.Task[None]]
    ) -> None:
        pending: set[asyncio.Task[Any]] = {stopping, *tasks}
        while stopping in pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what the task raised

    # -- starting ---------------------------------------------------------------------------

    async def _supervise(self, unit: Unit) -> None:
        await self._install(unit)
        await self._wait_for_dependencies(unit)
        log = Log(self._workspace.state / "logs" / f"{unit.name}.log")
        failures, backoff = 0, _BACKOFF_FIRST
        while not self._stopping.is_set():
            why = await self._try_once(unit, log)
            if self._stopping.is_set() or unit.state == State.COMPLETED:
                return
            if unit.ready_at is None:
                failures += 1
                if failures >= _START_ATTEMPTS or unit.service.restart == "no":
                    self._change(unit, State.FAILED, why)
                    raise StartError(unit, why)
            elif not self._is_restarted(unit):
                self._change(unit, State.FAILED if unit.exit_code else State.STOPPED, why)
                return
            if time.monotonic() - unit.began > _STABLE_AFTER:
                backoff = _BACKOFF_FIRST
            unit.restarts += 1
            self._change(unit, State.RESTARTING, f"{why} Starting it again in {backoff:g} s.")
            await self._sleep(backoff)
            backoff = min(backoff * 2, _BACKOFF_MOST)

    def _is_restarted(self, unit: Unit) -> bool:
        policy = unit.service.restart.partition(":")[0]
        return policy != "no" and not (policy == "on-failure" and unit.exit_code == 0)

    async def _install(self, unit: Unit) -> None:
        for requirement in unit.driver.requirements(unit.service):
            if requirement not in self._installs:
                self._installs[requirement] = asyncio.create_task(self._fetch(requirement, unit))
            await asyncio.shield(self._installs[requirement])

    async def _fetch(self, requirement: Requirement, unit: Unit) -> None:
        if await asyncio.to_thread(requirement.find):
            return
        self._change(unit, State.INSTALLING, requirement.title)
        loop = asyncio.get_running_loop()
        began = time.monotonic()

        def report(text: str) -> None:
            event = Event("progress", unit.name, text=f"{requirement.title}: {text}")
            loop.call_soon_threadsafe(self._emit, event)

        await asyncio.to_thread(requirement.fetch, report)
        seconds = time.monotonic() - began
        self._emit(Event("progress", unit.name, text=f"{requirement.title}: done", seconds=seconds))

    async def _wait_for_dependencies(self, unit: Unit) -> None:
        self._change(unit, State.WAITING)
        for name, condition in unit.service.depends_on.items():
            if other := self._units.get(name):
                await (other.started if condition == "service_started" else other.ready).wait()

    async def _try_once(self, unit: Unit, log: Log) -> str:
        """As `_run_once`; what can't be started *again* is a reason to wait, not to stop everything."""
        try:
            return await self._run_once(unit, log)
        except UserError as error:
            if unit.ready_at is None:
                raise
            return f"{error}"

    async def _run_once(self, unit: Unit, log: Log) -> str:
        """Start the process and stay with it until it is gone; says why it went."""
        unit.began = time.monotonic()
        self._change(unit, State.STARTING)
        launch = await asyncio.to_thread(unit.driver.launch, unit.service, self._site)
        unit.url, unit.stop_grace = launch.url, launch.stop_grace or unit.service.stop_grace_period

        def on_line(line: str) -> None:
            log.write(line)
            unit.tail = [*unit.tail[-11:], line]
            self._emit(Event("log", unit.name, text=line))

        if self._stopping.is_set():
            return ""
        process = await ServiceProcess.start(
            unit.name, launch, self._workspace.state, self._keeper, on_line
        )
        unit.process = process
        unit.started.set()
        self._write_state()
        if self._stopping.is_set():
            await process.stop(unit.stop_grace)
        watch = asyncio.create_task(self._watch(unit, launch))
        ended = asyncio.create_task(process.wait())
        await asyncio.wait([watch, ended], return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            watch.cancel()
            return self._account_for(unit, ended.result())
        await process.stop(unit.stop_grace)
        await ended
        return watch.result()

    def _account_for(self, unit: Unit, code: int) -> str:
        unit.process, unit.exit_code = None, code
        if unit.is_oneshot and code == 0:
            self._become_ready(unit, State.COMPLETED)
        if code < 0:
            return f"It was killed by signal {-code}."
        return f"It ended with exit code {code}."

    # -- watching ---------------------------------------------------------------------------

    async def _watch(self, unit: Unit, launch: Launch) -> str:
        """Follow the health of a process; returns only when it should be replaced, with the reason."""
        if unit.is_oneshot:
            await asyncio.Event().wait()
        if launch.probe is None:
            self._become_ready(unit, State.HEALTHY)
            await asyncio.Event().wait()
        check = unit.service.healthcheck or Healthcheck()
        start_time = check.start_period + check.interval * check.retries
        if not check.start_period:
            start_time = max(start_time, _MINIMUM_START_TIME)
        deadline = time.monotonic() + start_time
        while why := await self._probe(launch, check):
            if time.monotonic() > deadline:
                return f"It was not ready after {time.monotonic() - unit.began:.0f} s: {why}."
            await asyncio.sleep(_START_INTERVAL)
        await self._refuse_foreign_answer(unit)
        self._keep_report(unit, launch)
        self._become_ready(unit, State.HEALTHY)
        return await self._watch_health(unit, launch, check)

    async def _refuse_foreign_answer(self, unit: Unit) -> None:
        """Raise UserError if it was another program that answered: it took the port after it was chosen."""
        if not unit.process:
            return  # it has just ended, which is told by whoever waits for that
        leader = unit.process.pid
        for port in unit.service.ports:
            number = self._site.addresses.port(unit.name, port.target)
            if await asyncio.to_thread(is_foreign, number, leader):
                raise UserError(
                    f"Port {number} of {unit.name} was taken by another program in the meantime.",
                    hint="Type it again: ./gp up picks a free port.",
                )

    async def _watch_health(self, unit: Unit, launch: Launch, check: Healthcheck) -> str:
        failures = 0
        while True:
            await asyncio.sleep(check.interval)
            why = await self._probe(launch, check)
            self._keep_report(unit, launch)
            failures = failures + 1 if why else 0
            if failures == 0 and unit.state == State.UNHEALTHY:
                self._change(unit, State.HEALTHY)
            elif why and unit.state == State.HEALTHY:
                self._change(unit, State.UNHEALTHY, why)
            # A server that still answers is not helped by a restart: it waits for another.
            if why and why.startswith("nothing listens") and failures >= min(check.retries, 3):
                return f"It no longer answers: {why}."

    async def _probe(self, launch: Launch, check: Healthcheck) -> str | None:
        assert launch.probe
        try:
            async with asyncio.timeout(check.timeout):
                return await launch.probe.check()
        except TimeoutError:
            return f"no answer within {check.timeout:g} s"

    def _keep_report(self, unit: Unit, launch: Launch) -> None:
        report = launch.probe.output if isinstance(launch.probe, CommandProbe) else ""
        if report != unit.report:
            unit.report = report
            self._write_state()

    def _become_ready(self, unit: Unit, state: State) -> None:
        if unit.ready_at is None:
            unit.ready_at = time.monotonic()
        self._change(unit, state, seconds=time.monotonic() - unit.began)
        unit.started.set()
        unit.ready.set()

    async def _announce_ready(self) -> None:
        for unit in self._units.values():
            await unit.ready.wait()
        seconds = time.monotonic() - self._began
        self._emit(Event("ready", text=self._critical_chain(), seconds=seconds))

    def _critical_chain(self) -> str:
        """The services whose waiting for each other took the whole time, the first one first."""
        if not self._units:
            return ""
        unit = max(self._units.values(), key=lambda unit: unit.ready_at or 0.0)
        chain: list[str] = []
        while True:
            chain.insert(0, f"{unit.name} {(unit.ready_at or 0.0) - unit.began:.1f} s")
            waited = [
                self._units[name]
                for name, condition in unit.service.depends_on.items()
                if name in self._units and condition != "service_started"
            ]
            if not waited:
                return " → ".join(chain)
            unit = max(waited, key=lambda other: other.ready_at or 0.0)

    # -- stopping ---------------------------------------------------------------------------

    async def _stop_all(self) -> None:
        """Stop every service after those that depend on it."""
        stops: dict[str, asyncio.Task[None]] = {}

        async def stop(unit: Unit) -> None:
            dependents = [
                other.name
                for other in self._units.values()
                if unit.name in other.service.depends_on
            ]
            await asyncio.gather(*(stops[name] for name in dependents))
            if unit.process:
                self._change(unit, State.STOPPING)
                await unit.process.stop(unit.stop_grace)
                unit.process = None
            if unit.state not in (State.COMPLETED, State.FAILED):
                self._change(unit, State.STOPPED)

        for unit in self._units.values():
            stops[unit.name] = asyncio.create_task(stop(unit))
        await asyncio.gather(*stops.values())

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    # -- telling ----------------------------------------------------------------------------

    def _change(
        self, unit: Unit, state: State, why: str = "", seconds: float | None = None
    ) -> None:
        if (unit.state, unit.why) == (state, why) and seconds is None:
            return
        unit.state, unit.why = state, why
        self._write_state()
        self._emit(Event("state", unit.name, state, why, seconds))

    def _write_state(self) -> None:
        services = [
            ServiceState(
                name=unit.name,
                state=unit.state,
                url=unit.url,
                pid=unit.process.pid if unit.process else None,
                restarts=unit.restarts,
                why=unit.why,
                seconds=unit.ready_at - unit.began
                if unit.ready_at and unit.restarts == 0
                else None,
                is_tool=unit.service.is_tool,
                report=unit.report,
                ports={
                    str(port.target): self._site.addresses.port(unit.name, port.target)
                    for port in unit.service.ports
                },
            )
            for unit in self._units.values()
        ]
        services += [
            ServiceState(service.name, State.OFF, is_tool=service.is_tool) for service in self._off
        ]
        self._state_file.write(
            SystemState(
                supervisor=os.getpid(),
                started=self._started_at,
                services=services,
                ports=self._workspace.port_variables,
            )
        )
