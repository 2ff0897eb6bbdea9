"""Data is reached by the application only, over networks that lead nowhere else."""

from collections.abc import Iterator
from itertools import product

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.place import PRODUCTION
from groundplan.model.workspace import Service

ID = "network-tiers"
TITLE = "In production the data tier is on internal networks, reached by the application tier"
WHY = "What the world talks to is broken into first; from there no way should lead to the data."
FIX = "Give the data tier an internal network of its own."
LEVEL = Level.ERROR

_TRUSTED = ("application", "data")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield services of the data tier that too many can reach in production."""
    services = facts.production.services.values()
    data = [service for service in services if service.tier == "data"]
    for service in data:
        yield from _open_networks(facts, service)
    called = {(call.caller, call.callee) for call in facts.flows.calls_in(PRODUCTION)}
    others = [service for service in services if service.tier not in _TRUSTED]
    for other, service in product(others, data):
        if (other.name, service.name) not in called:
            yield from _shared(facts, other, service)


def _open_networks(facts: Facts, service: Service) -> Iterator[Finding]:
    known = facts.production.networks
    for name in service.networks:
        if name not in known or not known[name].internal:
            place = facts.place(facts.production, "services", service.name, "networks")
            message = (
                f"{service.name} holds data, and is in the network {name}, which leads outside."
            )
            yield Finding(message, *place, fix=f"Write `internal: true` at the network {name}.")


def _shared(facts: Facts, other: Service, service: Service) -> Iterator[Finding]:
    for network in sorted(set(other.networks) & set(service.networks)):
        place = facts.place(facts.production, "services", other.name, "networks")
        message = (
            f"{other.name}, of the tier {other.tier}, reaches {service.name} "
            f"in the network {network}, and no flow declares that it calls it."
        )
        fix = f"Take {other.name} out of {network}, or declare the call in flows.yaml."
        yield Finding(message, *place, fix=fix)
