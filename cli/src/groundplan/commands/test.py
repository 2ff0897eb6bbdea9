"""`gp test`: run the tests of every part on real servers.

The servers are an instance of the workspace of their own: other ports, other secrets and other
data than the system that a developer may be running, and gone afterwards. They are processes of this
machine, or containers.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from rich.console import Console
from rich.status import Status

from groundplan import parts as parts_module
from groundplan.errors import UserError
from groundplan.model.place import find_root, state_folder
from groundplan.model.workspace import Workspace, load
from groundplan.parts import CHROMIUM, Part, ToolEnvironment, browser_environment
from groundplan.runtime import choice
from groundplan.runtime.native.addresses import Addresses
from groundplan.runtime.native.drivers import is_native, source
from groundplan.runtime.native.drivers.base import Site
from groundplan.runtime.native.requirements import Requirement
from groundplan.runtime.native.state import StateFile

INSTANCE = "test"
_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
"""The tests of one part keep two cores busy: with more, all wait for each other, and none is done sooner."""
_PATIENCE = 20.0

_console = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Outcome:
    """How the tests of a part went."""

    part: Part
    code: int
    seconds: float


def run(name: str | None, arguments: list[str], servers: str) -> int:
    """Run the tests of part `name`, or of all parts, on `servers`; 0 if all passed."""
    if name is None and arguments:
        raise UserError(
            "Arguments go to one part's test runner.",
            hint="Name it: ./gp test api -- -k login",
            code=2,
        )
    os.environ["GROUNDPLAN_INSTANCE"] = INSTANCE
    workspace = load(find_root(), instance=INSTANCE)
    chosen = parts_module.choose(parts_module.find(workspace), name)
    needed = {requirement for part in chosen for requirement in part.requirements}
    if servers == "containers":
        _refuse_the_system(chosen)
        needed.add(ToolEnvironment(workspace.root))
    install(needed)
    with (
        ended_in_order(),
        _SERVERS[servers](workspace, _needed_services(workspace, chosen)) as running,
    ):
        outcomes = asyncio.run(_run_parts(running, chosen, arguments))
    _report(outcomes)
    return int(any(outcome.code for outcome in outcomes))


def install(needed: set[Requirement]) -> None:
    """Fetch what is missing of `needed`, saying so."""
    for requirement in sorted(needed, key=lambda item: item.title):
        if requirement.find():
            continue
        _console.print(f"{requirement.title}: {requirement.remedy}")
        with _console.status(requirement.title) as status:
            requirement.fetch(partial(_update, status, requirement.title))


def _update(status: Status, title: str, text: str) -> None:
    status.update(f"{title}: {text}")


def _needed_services(workspace: Workspace, chosen: list[Part]) -> list[str]:
    """What must run: everything for tests of the whole system, else servers."""
    services = {
        name: item
        for name, item in workspace.services.items()
        if not item.is_tool and item.is_active and is_native(item)
    }
    if any(part.system == "whole" for part in chosen):
        return list(services)
    needed = set(workspace.closure(part.service.name for part in chosen if part.service))
    names = {name for name in needed if workspace.services[name].context is None}
    if any(part.system == "servers" for part in chosen):
        names |= {name for name, item in services.items() if item.context is None}
        names |= workspace.oneshots.intersection(services)
    return [name for name in workspace.services if name in names]


def _refuse_the_system(chosen: list[Part]) -> None:
    if any(part.service is None for part in chosen):
        raise UserError(
            "Only the tests of a service take their servers from containers.",
            hint="Name one: ./gp test api --servers containers",
            code=2,
        )


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does, so that it cleans up."""

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _native_servers(workspace: Workspace, names: list[str]) -> Iterator[Workspace]:
    """Run `names` while the tests run; gives the workspace with their ports."""
    if not names:
        yield workspace
        return
    state_file = StateFile(state_folder(workspace.root, INSTANCE))
    if state_file.is_supervised():
        raise UserError(
            "Tests are running already in this workspace.", hint="Wait for them, or end them."
        )
    _gp("down", "--volumes", "--yes")
    try:
        _gp("up", "--detach", *names)
        yield load(workspace.root, state_file.read().ports, INSTANCE)
    finally:
        _gp("down", "--volumes", "--yes")


@contextmanager
def _containers(workspace: Workspace, names: list[str]) -> Iterator[Workspace]:
    """The same, in containers."""
    from groundplan.runtime.docker import servers  # it needs the test tools

    with servers.run(workspace, names) as ports:
        yield load(workspace.root, ports, INSTANCE)


_SERVERS = {"native": _native_servers, "containers": _containers}


def _gp(*words: str) -> None:
    # Tests run on native servers, also where a Docker engine answers.
    environment = {**os.environ, choice.VARIABLE: "native"}
    command = [sys.executable, "-m", "groundplan", *words]
    code = subprocess.run(command, env=environment).returncode
    if code:
        raise UserError("The servers for the tests could not be started or stopped.", code=code)


async def _run_parts(
    workspace: Workspace, chosen: list[Part], arguments: list[str]
) -> list[Outcome]:
    """Run as many parts at once as there are cores for; the system's tests alone, since they measure time."""
    if len(chosen) == 1:
        return [await _run_part(workspace, chosen[0], arguments, is_live=True)]
    slots = asyncio.Semaphore(_AT_ONCE)

    async def run_in_slot(part: Part) -> Outcome:
        async with slots:
            return await _run_part(workspace, part, arguments, is_live=False)

    others = [part for part in chosen if not part.system]
    outcomes = await asyncio.gather(*map(run_in_slot, others))
    system = [
        await _run_part(workspace, part, arguments, is_live=False) for part in chosen if part.system
    ]
    return [*outcomes, *system]


async def _run_part(
    workspace: Workspace, part: Part, arguments: list[str], is_live: bool
) -> Outcome:
    began = time.monotonic()
    _console.print(f"[dim]{part.name}: {' '.join(part.test)}[/dim]")
    process = await asyncio.create_subprocess_exec(
        *part.test,
        *arguments,
        cwd=part.folder,
        env=_environment(workspace, part),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=None if is_live else asyncio.subprocess.PIPE,
        stderr=None if is_live else asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        await _end(process)
    if output is not None:
        print(f"\n──── {part.name} ────\n{output.decode(errors='replace')}", flush=True)
    return Outcome(part, process.returncode or 0, time.monotonic() - began)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let tests that still run clean up behind them; Ctrl-C has reached them already, SIGTERM has not."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(_PATIENCE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment(workspace: Workspace, part: Part) -> dict[str, str]:
    """A service's tests get the service's own environment; the others get this process's."""
    if part.service:
        # As it runs: the part was found before the ports were known.
        service = workspace.service(part.service.name)
        return source.environment_of(service, Site(workspace, Addresses(workspace)))
    environment = {**os.environ, "PATH": part.path}
    if CHROMIUM in part.requirements:
        environment |= browser_environment(workspace.state)
    if not part.system:
        del environment["GROUNDPLAN_INSTANCE"]
    return environment


def _report(outcomes: list[Outcome]) -> None:
    _console.print()
    for outcome in outcomes:
        mark = "[red]failed[/red]" if outcome.code else "[green]passed[/green]"
        _console.print(f"  {outcome.part.name:<12} {mark}  {outcome.seconds:6.1f} s")
