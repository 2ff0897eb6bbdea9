"""No container of production can take all of a host, and none stays down."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.workspace import Service

ID = "limits-complete"
TITLE = "Containers of production have a limit of processes and logs, and start again"
WHY = "A fork bomb, a full disk of logs or a crash at night stops all services of a host, not only one."
FIX = "State it in the production file."
LEVEL = Level.ERROR

_RESTARTS = ("always", "unless-stopped", "on-failure")
_UNLIMITED_DRIVERS = ("", "json-file")
"""Drivers that keep every line for ever unless told otherwise; "" is the engine's default."""


def check(facts: Facts) -> Iterator[Finding]:
    """Yield limits that are missing; those of CPU and memory are the rule `resources-fit`."""
    workspace = facts.production
    for service in workspace.services.values():
        if service.name not in workspace.oneshots and not service.restart.startswith(_RESTARTS):
            place = facts.place(workspace, "services", service.name, "restart")
            fix = "Write `restart: unless-stopped`."
            yield Finding(f"{service.name} stays down when it ends.", *place, fix=fix)
        if not service.confinement.pids:
            limits = ("deploy", "resources", "limits", "pids")
            place = facts.place(workspace, "services", service.name, *limits)
            fix = "State deploy.resources.limits.pids."
            yield Finding(f"{service.name} has no limit of processes.", *place, fix=fix)
        if not _rotates(service):
            place = facts.place(workspace, "services", service.name, "logging")
            fix = 'Write `logging: {driver: local, options: {max-size: 10m, max-file: "3"}}`.'
            yield Finding(f"{service.name} keeps its logs until the disk is full.", *place, fix=fix)


def _rotates(service: Service) -> bool:
    own = service.confinement
    return own.log_driver not in _UNLIMITED_DRIVERS or "max-size" in own.log_options
