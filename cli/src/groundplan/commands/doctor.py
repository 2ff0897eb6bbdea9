"""`gp doctor`: what the services need, what is there, and how the rest is got."""

import json
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from groundplan.deploy import readiness
from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name, settings_file
from groundplan.model.workspace import Workspace, load
from groundplan.runtime import choice
from groundplan.runtime.docker.engine import find
from groundplan.runtime.finding import Finding
from groundplan.runtime.native import cache
from groundplan.runtime.native.addresses import is_free
from groundplan.runtime.native.drivers import driver_of, is_native
from groundplan.runtime.native.requirements import Installed

_NEEDED_SPACE = 3e9


def run(as_json: bool, production: bool = False) -> int:
    """Print the findings; 0 if `up`, or `deploy` in `production`, can work, 1 if something is missing."""
    root = find_root()
    findings = list(readiness.examine(root) if production else examine(load(root)))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings, "./gp deploy" if production else "./gp up")
    return int(any(finding.status == "missing" for finding in findings))


def examine(workspace: Workspace) -> Iterator[Finding]:
    """Everything that decides whether `up` can work here."""
    with_docker, engine = _engine(workspace)
    yield engine
    for finding in _requirements(workspace):
        # What the native runtime alone lacks keeps nobody from starting with Docker.
        is_note = with_docker and finding.status == "missing"
        yield replace(finding, status="note") if is_note else finding
    if not _is_running(workspace):
        yield from _ports(workspace)
    yield from _folders(workspace)


def _is_running(workspace: Workspace) -> bool:
    try:
        return choice.current(workspace.root, workspace.instance).status().is_running
    except UserError:  # the engine that ran it is gone, which is told already
        return False


def _engine(workspace: Workspace) -> tuple[bool, Finding]:
    """Whether `up` uses Docker, and what there is of it."""
    subject = "Docker"
    try:
        engine = find()
    except UserError as error:
        return False, Finding(subject, "note", f"{error.what} {error.why}".strip())
    runtime, _ = choice.choose(workspace.root, workspace.instance, None)
    is_used = runtime.name == "docker"
    used = "./gp up uses it" if is_used else f"./gp up uses the runtime {runtime.name}"
    versions = f"engine {engine.version}, Compose {engine.compose_version}"
    return is_used, Finding(subject, "ok", f"{versions}; {used}")


def _requirements(workspace: Workspace) -> Iterator[Finding]:
    users: dict[str, list[str]] = {}
    seen = {}
    for service in workspace.services.values():
        if not is_native(service):
            yield Finding(
                service.name, "note", f"needs Docker: no native driver knows {service.image}"
            )
            continue
        try:
            needed = driver_of(service).requirements(service)
        except UserError as error:
            yield Finding(service.name, "missing", f"{error.what} {error.hint}")
            continue
        for requirement in needed:
            seen[requirement.title] = (requirement, service)
            users.setdefault(requirement.title, []).append(service.name)
    for title, (requirement, service) in seen.items():
        subject = f"{title} (for {', '.join(users[title])})"
        if found := requirement.find():
            yield Finding(subject, "ok", found)
        elif isinstance(requirement, Installed):
            yield Finding(subject, "note" if service.is_tool else "missing", requirement.remedy)
        else:
            yield Finding(
                subject,
                "fetch",
                f"./gp up {'--tools ' if service.is_tool else ''}{requirement.remedy}",
            )


def _ports(workspace: Workspace) -> Iterator[Finding]:
    for service in workspace.services.values():
        for port in service.ports:
            if port.published and not is_free(port.published):
                subject = f"Port {port.published} (for {service.name})"
                if port.variable:
                    yield Finding(
                        subject, "note", "is taken: ./gp up picks a free one and says which"
                    )
                else:
                    yield Finding(
                        subject, "missing", "is taken, and its number is fixed in the Compose file"
                    )


def _folders(workspace: Workspace) -> Iterator[Finding]:
    free = shutil.disk_usage(workspace.root).free
    enough = "ok" if free > _NEEDED_SPACE else "note"
    yield Finding(
        "Disk",
        enough,
        f"{free / 1e9:.1f} GB free; a first start needs about {_NEEDED_SPACE / 1e9:.0f} GB",
    )
    folder = cache.folder()
    if _is_writable(folder):
        yield Finding("Cache", "ok", str(folder))
    else:
        yield Finding(
            "Cache",
            "missing",
            f"{folder} can't be written; set GROUNDPLAN_CACHE to a folder of yours",
        )
    file = settings_file(workspace.root, instance_name())
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Finding("Settings", "note", f"others can read {file}: chmod 600 {file}")
    else:
        yield Finding("Settings", "ok", str(file))


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _print(findings: list[Finding], command: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    marks = {
        "ok": "[green]✓[/]",
        "fetch": "[cyan]↓[/]",
        "note": "[yellow]![/]",
        "missing": "[red]✗[/]",
    }
    for finding in findings:
        console.print(f"{marks[finding.status]} {finding.subject}: [dim]{finding.detail}[/]")
    if any(finding.status == "missing" for finding in findings):
        console.print(f"\n[red]Mend what is marked ✗, then type {command}[/]")
    else:
        console.print(f"\n{command} can start everything here.")
