"""No two services publish one port."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.workspace import Port, Service, Workspace

ID = "port-conflict"
TITLE = "No two services publish one port"
WHY = "The second of them can't start."
FIX = "Give one of them another port and a variable of its own."
LEVEL = Level.ERROR

_EVERYWHERE = {None, "", "0.0.0.0", "::", "[::]"}  # noqa: S104 - recognised, not used


def check(facts: Facts) -> Iterator[Finding]:
    """Yield each port, or variable of a port, that was taken by an earlier one."""
    for workspace in facts.environments:
        yield from _of(facts, workspace)


def _of(facts: Facts, workspace: Workspace) -> Iterator[Finding]:
    seen: list[tuple[Service, Port]] = []
    for service in workspace.services.values():
        for port in service.ports:
            if not port.published:
                continue
            for other, taken in seen:
                if problem := _problem(port, taken):
                    message = f"{service.name} and {other.name} both publish {problem}."
                    yield Finding(message, *facts.port_place(workspace, service.name, port))
            seen.append((service, port))


def _problem(port: Port, taken: Port) -> str:
    if port.transport != taken.transport:
        return ""
    is_same_host = port.host == taken.host or bool({port.host, taken.host} & _EVERYWHERE)
    if port.published == taken.published and is_same_host:
        return f"port {port.published}"
    if port.variable and port.variable == taken.variable:
        return f"${{{port.variable}}}"
    return ""
