"""Starts the services as processes: in this process, or in a supervisor that goes on behind it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from groundplan.errors import UserError
from groundplan.model.place import DEVELOPMENT
from groundplan.model.workspace import Service, Workspace, load
from groundplan.runtime.events import Emit, Event
from groundplan.runtime.native.addresses import move_taken_ports
from groundplan.runtime.native.drivers import driver_of, is_native
from groundplan.runtime.native.requirements import Installed
from groundplan.runtime.native.state import StateFile, end_strays
from groundplan.runtime.native.supervisor import Supervisor
from groundplan.runtime.protocol import Plan, Step
from groundplan.runtime.state import SystemState

_FOLLOW_INTERVAL = 0.05


def plan(workspace: Workspace, names: Sequence[str], tools: bool) -> Plan:
    """`names` with all that they depend on; without names every service, tools only if asked for."""
    if names:
        return Plan(workspace, _steps(workspace, workspace.closure(names)))
    chosen, left_out = [], []
    possible = [s for s in workspace.services.values() if s.is_active and (tools or not s.is_tool)]
    if possible and not any(map(is_native, possible)):
        driver_of(possible[0])  # raises: it says why nothing can start
    for service in possible:
        if why := _why_not(service):
            left_out.append(f"{service.name} is left out{why}")
        else:
            chosen.append(service.name)
    return Plan(workspace, _steps(workspace, workspace.closure(chosen)), left_out)


def _why_not(service: Service) -> str | None:
    """Why a service can't run here though it isn't named, as the rest of a sentence."""
    if not is_native(service):
        return f". No native driver knows {service.image}: it needs Docker."
    if not service.is_tool:
        return None
    needed = driver_of(service).requirements(service)
    missing = [item for item in needed if isinstance(item, Installed) and item.find() is None]
    return f": it is not on this machine. {missing[0].remedy}" if missing else None


def _steps(workspace: Workspace, names: list[str]) -> list[Step]:
    return [_step(workspace.services[name]) for name in names]


def _step(service: Service) -> Step:
    needed = driver_of(service).requirements(service)
    return Step(
        service.name,
        [f"{name} {condition}" for name, condition in service.depends_on.items()],
        [f"{item.title}: {item.remedy}" for item in needed if item.find() is None],
        [port.published for port in service.ports if port.published],
    )


def up(plan: Plan, emit: Emit, detach: bool) -> None:
    """Start the services of the plan, or join the `up` that is there already."""
    if os.geteuid() == 0:
        # Servers give up root, and must get to their folders; secrets have modes of their own.
        os.umask(0o022)
    if StateFile(plan.workspace.state).is_supervised():
        return _join(plan, emit)
    return _run_in_background(plan, emit) if detach else _run_here(plan, emit)


def _run_here(plan: Plan, emit: Emit) -> None:
    """Supervise the services in this process until Ctrl-C or `gp down`."""
    workspace = plan.workspace
    state_file = StateFile(workspace.state)
    if not state_file.acquire():
        return _join(plan, emit)
    try:
        end_strays(workspace.state)
        is_private = workspace.instance != DEVELOPMENT
        moves = move_taken_ports(workspace, plan.names, always=is_private)
        for move in moves if not is_private else ():
            text = f"Port {move.default} of {move.service} is taken: it is at {move.port} now."
            emit(Event("notice", move.service, text=text))
        variables = {move.variable: str(move.port) for move in moves}
        moved = load(workspace.root, variables, workspace.instance)
        asyncio.run(_supervise(Supervisor(moved, plan.names, emit), emit))
    finally:
        state_file.release()


async def _supervise(supervisor: Supervisor, emit: Emit) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        emit(Event("notice", text="Stopping."))
        supervisor.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    await supervisor.run()


def _run_in_background(plan: Plan, emit: Emit) -> None:
    """Start another process that supervises the services, and pass its events on until all are ready."""
    workspace = plan.workspace
    workspace.state.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "GROUNDPLAN_ROOT": str(workspace.root),
        "GROUNDPLAN_INSTANCE": workspace.instance,
    }
    with (
        # It loses its name at once: another `up` at the same time has its own.
        tempfile.NamedTemporaryFile("w", dir=workspace.state, prefix="events-") as output,
        (workspace.state / "supervisor.log").open("w") as errors,
    ):
        events = Path(output.name).open()  # noqa: SIM115 - _follow closes it
        command = [sys.executable, "-m", "groundplan", "up", "--runtime", "native", "--json"]
        process = subprocess.Popen(
            [*command, *plan.names],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    try:
        for fields in _follow(events, process):
            if fields["kind"] == "error":
                raise UserError(fields["what"], fields["why"], fields["hint"], fields["code"])
            event = Event.from_dict(fields)
            emit(event)
            if event.kind == "ready":
                return
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    said = (workspace.state / "supervisor.log").read_text().strip()
    raise UserError(
        "The supervisor ended before the services were ready.",
        why="\n  " + "\n  ".join(said.splitlines()[-8:]),
    )


def _follow(events: IO[str], process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Every event of the supervisor, as it comes, until it ends."""
    line = ""
    with events:
        while True:
            ended = process.poll() is not None
            for piece in events:
                line += piece
                if line.endswith("\n"):
                    yield json.loads(line)
                    line = ""
            if ended:
                return
            time.sleep(_FOLLOW_INTERVAL)


def _join(plan: Plan, emit: Emit) -> None:
    """Another `up` is there already: wait until its services are ready."""
    state_file = StateFile(plan.workspace.state)
    state = _state_when(state_file, lambda state: bool(state.services))
    running = {service.name for service in state.services if service.state != "off"}
    if missing := [name for name in plan.names if name not in running]:
        raise UserError(
            f"The system runs already, without {', '.join(missing)}.",
            hint="Stop it first: ./gp down",
        )
    state = _state_when(state_file, lambda state: state.ready)
    if not state.ready:
        raise UserError("The start that was under way failed.", hint="Look at ./gp logs.")
    emit(Event("ready", text="The system runs already."))


def _state_when(state_file: StateFile, condition: Callable[[SystemState], bool]) -> SystemState:
    """The state as soon as `condition` holds, or as the supervisor left it that ended before."""
    while True:
        state = state_file.read()
        if condition(state) or state.supervisor is None:
            return state
        time.sleep(_FOLLOW_INTERVAL)
