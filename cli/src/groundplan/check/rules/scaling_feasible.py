"""What is meant to scale can."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.workspace import Service

ID = "scaling-feasible"
TITLE = "What is meant to scale can"
WHY = "A second replica needs a name, an address, a port and data of its own."
FIX = "Take away what only one replica can have, or state another scaling in x-groundplan."
LEVEL = Level.ERROR


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what hinders a second replica in production."""
    for service in facts.production.services.values():
        is_horizontal = (service.scaling or "").split(" ")[0] == "horizontal"
        if service.replicas > 1 and not is_horizontal:
            message = (
                f"{service.name} has {service.replicas} replicas, but does not scale horizontally."
            )
            yield Finding(
                message, *facts.place(facts.production, "services", service.name, "deploy")
            )
        if is_horizontal and service.tier != "data":
            yield from _hindrances(facts, service)


def _hindrances(facts: Facts, service: Service) -> Iterator[Finding]:
    node = ("services", service.name)
    if service.container_name:
        yield _finding(facts, service, "has a fixed container_name", *node, "container_name")
    if service.static_address:
        yield _finding(facts, service, "has a fixed address", *node, "networks")
    for mount in service.mounts:
        if mount.source and not mount.is_bind:
            yield _finding(
                facts, service, f"keeps data in the volume {mount.source}", *node, "volumes"
            )
    for port in service.ports:
        if port.published:
            place = facts.port_place(facts.production, service.name, port)
            message = f"{service.name} scales, but has the fixed port {port.published} of the host."
            if service.is_public:
                fix = "Put a load balancer before it once it has a second replica."
                yield Finding(message, *place, level=Level.NOTE, fix=fix)
            else:
                yield Finding(message, *place)


def _finding(facts: Facts, service: Service, problem: str, *path: str) -> Finding:
    place = facts.place(facts.production, *path)
    return Finding(f"{service.name} scales, but {problem}.", *place)
