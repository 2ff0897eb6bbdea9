"""The tables of networks and ports, as Markdown."""

from collections.abc import Iterable

from groundplan.docs.facts import Facts
from groundplan.docs.markdown import NONE, both, code, listing, table, text
from groundplan.docs.pictures import network_names
from groundplan.model.workspace import Port, Service, Workspace


def network(facts: Facts) -> str:
    """The networks with their members, and where each service is reached."""
    environments = (facts.development, facts.production)
    names = dict.fromkeys(
        name for environment in environments for name in network_names(environment)
    )
    rows = []
    for name in names:
        known = facts.development.networks.get(name) or facts.production.networks.get(name)
        driver = (known.driver if known else "bridge") + (
            ", internal" if known and known.internal else ""
        )
        subnet = code(known.subnet) if known and known.subnet else "given by the engine"
        rows.append((code(name), text(driver), subnet, *(_members(e, name) for e in environments)))
    head = ("Network", "Driver", "Subnet", "In development", "In production")
    addresses = [
        (text(service.title), code(f"{service.name}:{port.target}"), _native(port))
        for service in facts.development.services.values()
        for port in service.ports
    ]
    inside = table(("Service", "In its network", "As a native process"), addresses)
    return f"{table(head, rows)}\n\n{inside}"


def ports(facts: Facts) -> str:
    """Every port, and where it is exposed."""
    rows = [row for service in facts.services.values() for row in _port_rows(facts, service)]
    head = (
        "Service",
        "Internal port",
        "External port",
        "Protocol",
        "In development?",
        "In production?",
    )
    pages = [
        f"- <http://localhost:{port.published}> ({text(service.title)})"
        for service in facts.development.services.values()
        for port in service.ports
        if port.published and port.protocol.upper() == "HTTP"
    ]
    shown = "\n".join(["", "", "HTTP on a developer's machine:", "", *pages]) if pages else ""
    return table(head, rows) + shown


def _members(workspace: Workspace, network: str) -> str:
    found = (service for service in workspace.services.values() if network in service.networks)
    return listing(code(service.name) for service in found)


def _native(port: Port) -> str:
    return code(f"127.0.0.1:{port.published}") if port.published else "a free port"


def _port_rows(facts: Facts, service: Service) -> Iterable[tuple[str, ...]]:
    here = facts.development.services.get(service.name)
    there = facts.production.services.get(service.name)
    targets = dict.fromkeys(port.target for twin in (here, there) if twin for port in twin.ports)
    for target in targets:
        first, second = _find(here, target), _find(there, target)
        known = first or second
        yield (
            text(service.title),
            str(target),
            both(*_external(here, first, second)),
            text(known.protocol) if known else NONE,
            _exposed(first),
            _exposed(second),
        )
    if not targets:
        yield (text(service.title), NONE, NONE, NONE, "no", "no")


def _external(
    here: Service | None, first: Port | None, second: Port | None
) -> tuple[str | None, str | None]:
    """The external port in development and in production; the other one where one of them has none."""
    moved = _number(second) or _number(first)
    return (_number(first) if here else moved), moved


def _find(service: Service | None, target: int) -> Port | None:
    ports = service.ports if service else ()
    return next((port for port in ports if port.target == target), None)


def _number(port: Port | None) -> str | None:
    return str(port.published) if port and port.published else None


def _exposed(port: Port | None) -> str:
    if port is None or port.published is None:
        return "no"
    return f"yes, on {port.host}" if port.host else "yes, on every address"
