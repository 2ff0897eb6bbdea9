"""Every service has limits, and together they fit the machine."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model import units
from groundplan.model.workspace import Service

ID = "resources-fit"
TITLE = "Limits are stated and fit the machine"
WHY = "A service without a limit takes the memory of all others."
FIX = "State deploy.resources.limits of cpus and memory, within x-groundplan.machine."
LEVEL = Level.ERROR

_KINDS = ("cpus", "memory")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield limits that are missing or too high, in production. The model refuses unreadable ones."""
    workspace = facts.production
    services = [s for s in workspace.services.values() if not s.is_tool]
    lasting = [s for s in services if s.name not in workspace.oneshots]
    for kind in _KINDS:
        for service in services:
            yield from _of_service(facts, service, kind)
        yield from _sum(facts, lasting, kind)


def _of_service(facts: Facts, service: Service, kind: str) -> Iterator[Finding]:
    resources = ("services", service.name, "deploy", "resources")
    limit = _limit(service, kind)
    reserved = facts.written(facts.production, *resources, "reservations", kind)
    if not limit:
        place = facts.place(facts.production, *resources, "limits", kind)
        yield Finding(f"{service.name} has no limit of {kind}.", *place)
    elif reserved is not None and "$" not in str(reserved) and _amount(kind, reserved) > limit:
        place = facts.place(facts.production, *resources, "reservations", kind)
        message = f"{service.name} reserves more of {kind} than its limit: {reserved}."
        yield Finding(message, *place)


def _sum(facts: Facts, services: list[Service], kind: str) -> Iterator[Finding]:
    if not (machine := facts.production.machine.get(kind)):
        return
    total = sum(service.replicas * _limit(service, kind) for service in services)
    share = total / (_amount(kind, machine) or 1)
    if share > 1:
        place = facts.place(facts.production, "x-groundplan", "machine", kind)
        yield Finding(
            f"The limits of all services add up to {share:.0%} of the machine's {kind} ({machine}).",
            *place,
        )


def _limit(service: Service, kind: str) -> float:
    """0 where there is none; to Compose that is the same."""
    written = service.cpu_limit if kind == "cpus" else service.memory_limit
    return _amount(kind, written) if written is not None else 0


def _amount(kind: str, written: object) -> float:
    """CPUs in cores, memory in bytes."""
    return float(str(written)) if kind == "cpus" else units.size(written)
