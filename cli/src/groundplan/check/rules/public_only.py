"""From outside only what is meant to be public can be reached."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.workspace import Port, Service, Workspace

ID = "public-only"
TITLE = "Only public services are published"
WHY = "A database that listens to the internet is found within hours."
FIX = "Delete the port; for a service that is meant to be reached, state `public: true` in x-groundplan."
LEVEL = Level.ERROR

LOOPBACK = {"127.0.0.1", "::1", "[::1]", "localhost"}


def check(facts: Facts) -> Iterator[Finding]:
    """Yield ports that too many can reach, and tools in production."""
    for workspace in facts.environments:
        yield from _without_network(facts, workspace)
    for service in facts.production.services.values():
        yield from _in_production(facts, service)
    for service in facts.development.services.values():
        for port in service.ports:
            if port.published and port.host not in LOOPBACK:
                message = f"{service.name} publishes {_written(port)} in development to the whole network."
                file, line = facts.port_place(facts.development, service.name, port)
                fix = f"Write 127.0.0.1:{_written(port)}."
                yield Finding(message, file, line, fix=fix)


def _without_network(facts: Facts, workspace: Workspace) -> Iterator[Finding]:
    """A service in the network of the machine publishes whatever it listens on."""
    for name in workspace.services:
        path = ("services", name, "network_mode")
        if facts.written(workspace, *path) == "host":
            message = f"{name} uses the network of the machine: all of its ports are published."
            fix = "Put it into a network, and publish the ports that it needs."
            yield Finding(message, *facts.place(workspace, *path), fix=fix)


def _in_production(facts: Facts, service: Service) -> Iterator[Finding]:
    if service.is_tool or service.tier == "tools":
        place = facts.place(facts.production, "services", service.name)
        yield Finding(
            f"{service.name} is a tool, and part of production.",
            *place,
            fix="Move it to the development file.",
        )
    is_meant = service.is_public and service.tier != "data"
    for port in service.ports:
        if port.published and not is_meant:
            why = "of the data tier" if service.tier == "data" else "not public"
            message = f"{service.name} is {why}, and publishes {_written(port)} in production."
            yield Finding(message, *facts.port_place(facts.production, service.name, port))


def _written(port: Port) -> str:
    return f"{port.published}:{port.target}"
