"""`gp up`: start the system."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from groundplan.errors import UserError
from groundplan.model import settings
from groundplan.model.place import DEVELOPMENT, find_root, instance_name, settings_file
from groundplan.model.workspace import Service, Workspace, load
from groundplan.render import JsonRenderer, Renderer, renderer
from groundplan.runtime.events import Event
from groundplan.runtime.native.addresses import move_taken_ports
from groundplan.runtime.native.drivers import driver_of, is_native
from groundplan.runtime.native.requirements import Installed
from groundplan.runtime.native.state import StateFile, SystemState, end_strays
from groundplan.runtime.native.supervisor import Supervisor

_FOLLOW_INTERVAL = 0.05


def run(names: list[str], tools: bool, detach: bool, as_json: bool, dry_run: bool) -> None:
    """Start `names` (all services if empty) and what they need; see `gp up --help`."""
    if os.geteuid() == 0:
        os.umask(
            0o022
        )  # servers give up root, and must get to their folders; secrets have modes of their own
    root, instance = find_root(), instance_name()
    is_first = not settings_file(root, instance).exists()
    workspace = load(root, instance=instance)
    wanted = wanted_services(workspace, names, tools)
    if is_first and not as_json:
        place = settings_file(root, instance).relative_to(root)
        print(f"Wrote {place} with new random secrets. Git ignores it.", file=sys.stderr)
    if dry_run:
        return show_plan(workspace, wanted, as_json)
    if StateFile(workspace.state).is_supervised():
        return _join(workspace, wanted, as_json)
    if detach:
        return _run_in_background(workspace, wanted, as_json)
    return _run_here(workspace, wanted, as_json)


def wanted_services(workspace: Workspace, names: list[str], tools: bool) -> list[str]:
    """`names` with all that they depend on; without names every service, tools only if asked for."""
    if names:
        return workspace.closure(names)
    chosen = []
    possible = [s for s in workspace.services.values() if s.is_active and (tools or not s.is_tool)]
    if possible and not any(map(is_native, possible)):
        driver_of(possible[0])  # raises: it says why nothing can start
    for service in possible:
        name = service.name
        if not is_native(service):
            why = f"No native driver knows {service.image}: it needs Docker, which is planned."
            print(f"{name} is left out. {why}", file=sys.stderr)
            continue
        missing = [item.remedy for item in _unobtainable(service)] if service.is_tool else []
        if missing:
            print(f"{name} is left out: it is not on this machine. {missing[0]}", file=sys.stderr)
        else:
            chosen.append(name)
    return workspace.closure(chosen)


def _unobtainable(service: Service) -> list[Installed]:
    needed = driver_of(service).requirements(service)
    return [item for item in needed if isinstance(item, Installed) and item.find() is None]


def show_plan(workspace: Workspace, wanted: list[str], as_json: bool) -> None:
    """Print what `up` would do, and do nothing."""
    rows: list[dict[str, Any]] = []
    for service in (workspace.services[name] for name in wanted):
        missing = [item for item in driver_of(service).requirements(service) if item.find() is None]
        row = {
            "service": service.name,
            "after": [f"{name} {condition}" for name, condition in service.depends_on.items()],
            "installs": [f"{item.title}: {item.remedy}" for item in missing],
            "ports": [port.published for port in service.ports if port.published],
        }
        rows.append(row)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(row.pop("service"))
        for key, values in row.items():
            if values:
                print(f"  {key}: {', '.join(map(str, values))}")


def _run_here(workspace: Workspace, wanted: list[str], as_json: bool) -> None:
    """Supervise the services in this process until Ctrl-C or `gp down`."""
    state_file = StateFile(workspace.state)
    if not state_file.acquire():
        return _join(workspace, wanted, as_json)
    view = renderer(wanted, as_json, with_logs=True)
    try:
        end_strays(workspace.state)
        is_private = workspace.instance != DEVELOPMENT
        moves = move_taken_ports(workspace, wanted, always=is_private)
        for move in moves:
            if not is_private:
                text = f"Port {move.default} of {move.service} is taken: it is at {move.port} now."
                view.show(Event("notice", move.service, text=text))
        moved = load(
            workspace.root, {move.variable: str(move.port) for move in moves}, workspace.instance
        )
        supervisor: Supervisor

        def emit(event: Event) -> None:
            view.show(event)
            if event.kind == "ready" and not as_json:
                show_summary(moved, state_file.read())
                Console(stderr=True).print("[dim]Ctrl-C stops everything. The logs follow.[/dim]\n")

        supervisor = Supervisor(moved, wanted, emit)
        asyncio.run(_supervise(supervisor, view))
    except UserError as error:
        view.close()
        if as_json:
            print(json.dumps({"kind": "error", **vars(error)}), flush=True)
            raise SystemExit(error.code) from None
        raise
    finally:
        view.close()
        state_file.release()


async def _supervise(supervisor: Supervisor, view: Renderer) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        view.show(Event("notice", text="Stopping."))
        supervisor.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    await supervisor.run()


def _run_in_background(workspace: Workspace, wanted: list[str], as_json: bool) -> None:
    """Start another process that supervises the services, and show its events until all are ready."""
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
        command = [sys.executable, "-m", "groundplan", "up", "--json", *wanted]
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    view = renderer(wanted, as_json, with_logs=False)
    try:
        for fields in _follow(events, process):
            if fields["kind"] == "error":
                raise UserError(fields["what"], fields["why"], fields["hint"], fields["code"])
            event = Event.from_dict(fields)
            view.show(event)
            if event.kind == "ready":
                break
        else:
            said = (workspace.state / "supervisor.log").read_text().strip()
            raise UserError(
                "The supervisor ended before the services were ready.",
                why="\n  " + "\n  ".join(said.splitlines()[-8:]),
            )
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        view.close()
    if not as_json:
        show_summary(workspace, StateFile(workspace.state).read())


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


def _join(workspace: Workspace, wanted: list[str], as_json: bool) -> None:
    """Another `up` is there already: wait until its services are ready, and show them."""
    state_file = StateFile(workspace.state)
    state = _state_when(state_file, lambda state: bool(state.services))
    running = {service.name for service in state.services if service.state != "off"}
    if missing := [name for name in wanted if name not in running]:
        raise UserError(
            f"The system runs already, without {', '.join(missing)}.",
            hint="Stop it first: ./gp down",
        )
    state = _state_when(state_file, lambda state: state.ready)
    if not state.ready:
        raise UserError("The start that was under way failed.", hint="Look at ./gp logs.")
    if as_json:
        JsonRenderer().show(Event("ready", text="it was running already"))
    else:
        Console(stderr=True).print("The system runs already.")
        show_summary(workspace, state)


def _state_when(state_file: StateFile, condition: Callable[[SystemState], bool]) -> SystemState:
    """The state as soon as `condition` holds, or as the supervisor left it that ended before."""
    while True:
        state = state_file.read()
        if condition(state) or state.supervisor is None:
            return state
        time.sleep(_FOLLOW_INTERVAL)


def show_summary(workspace: Workspace, state: SystemState) -> None:
    """Print the URLs and where to sign in."""
    console = Console(stderr=True, highlight=False)
    table = Table.grid(padding=(0, 3))
    for service in state.services:
        if service.url and service.url.startswith("http"):
            table.add_row(f"  [bold]{service.name}[/bold]", f"[cyan]{service.url}[/cyan]")
    console.print()
    console.print(table)
    file = settings_file(workspace.root, workspace.instance)
    values = settings.read(file)
    if "ADMIN_EMAIL" in values:
        # The password is shown to the person at the terminal, but kept out of logs.
        password = values.get("ADMIN_PASSWORD", "") if sys.stderr.isatty() else "ADMIN_PASSWORD"
        place = file.relative_to(workspace.root)
        console.print(
            f"\n  Sign in as [bold]{values['ADMIN_EMAIL']}[/bold] with [bold]{password}[/bold] ({place})\n"
        )
