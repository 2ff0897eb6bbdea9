"""Replaces the containers of a service one by one, so that there is always one that answers."""

import time
from collections.abc import Collection

from groundplan.deploy import containers
from groundplan.errors import UserError
from groundplan.model.service import Service
from groundplan.runtime.docker.containers import Container
from groundplan.runtime.docker.engine import Project
from groundplan.runtime.events import Emit, Event, State

SETTLE = 2.0
"""Seconds until every proxy has asked DNS again and found a new replica healthy."""
_SLACK = 60.0


def is_replaceable(service: Service) -> bool:
    """True if two versions of the service may run side by side.

    It scales out, keeps nothing in a volume, publishes no port, and has no fixed name or address.
    """
    grows = (service.scaling or "").startswith("horizontal")
    keeps = any(mount.source and not mount.is_bind for mount in service.mounts)
    publishes = any(port.published for port in service.ports)
    fixed = service.container_name or service.static_address
    return grows and not (keeps or publishes or fixed)


def replace(project: Project, service: Service, outdated: Collection[str], emit: Emit) -> None:
    """Replace the containers whose ids are `outdated`; each new one is ready before an old one ends.

    Raises UserError where a new one does not get ready: it is taken away, and the old ones stay.
    """
    began = time.monotonic()
    for container in containers.of(project, service.name):
        if not containers.is_live(container):
            containers.remove(container)  # Compose would start it again in place of a new one
    while True:
        old, new = _sides(project, service, outdated)
        if len(new) < service.replicas:
            text = f"replica {len(new) + 1} of {service.replicas}"
            emit(Event("state", service.name, State.STARTING, text))
            start_one(project, service, count=len(old) + len(new) + 1)
        elif not old:
            break
        if old:
            time.sleep(SETTLE)
            emit(Event("state", service.name, State.STOPPING, f"{len(old)} left of the old ones"))
            containers.stop(old[0])
    seconds = time.monotonic() - began
    emit(Event("state", service.name, State.HEALTHY, seconds=seconds))


def start_one(project: Project, service: Service, count: int) -> None:
    """Start one more container of the service, the last of `count`, and wait until it is ready."""
    before = {container.id for container in containers.of(project, service.name)}
    scale = f"{service.name}={count}"
    project.run(
        *("up", "--detach", "--no-deps", "--no-recreate", "--no-build"),
        *("--scale", scale, service.name),
    )
    added = [it for it in containers.of(project, service.name) if it.id not in before]
    try:
        containers.wait(project, {it.id for it in added}, patience(service))
    except UserError:
        for container in added:
            containers.remove(container)
        raise


def patience(service: Service) -> float:
    """The seconds after which a container that is not ready is given up."""
    check = service.healthcheck
    return _SLACK + (check.start_period + check.interval * check.retries if check else 0.0)


def _sides(
    project: Project, service: Service, outdated: Collection[str]
) -> tuple[list[Container], list[Container]]:
    there = [it for it in containers.of(project, service.name) if containers.is_live(it)]
    return (
        [it for it in there if it.id in outdated],
        [it for it in there if it.id not in outdated],
    )
