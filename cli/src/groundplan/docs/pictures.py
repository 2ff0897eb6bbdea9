"""The pictures of a workspace: all of it, and the boundaries in production."""

from collections.abc import Callable, Iterable

from groundplan.docs.diagram import Band, Diagram, Edge, Node
from groundplan.docs.facts import TIERS, Facts
from groundplan.model.workspace import Port, Service, Workspace

_SECTIONS = {
    "SERVICES": "Application services",
    "BACKING_SERVICES": "Backing services",
    "DEVELOPMENT_SERVICES": "Development tools",
}


def overview(facts: Facts) -> Diagram:
    """Every service with its volumes, who calls whom, and the settings."""
    workspace = facts.development
    groups: dict[str, list[Service]] = {title: [] for title in _SECTIONS.values()}
    for service in workspace.services.values():
        groups[_SECTIONS.get(service.section or "", _SECTIONS["SERVICES"])].append(service)
    bands = [_outside(facts)]
    bands += [_section(facts, title, services) for title, services in groups.items()]
    bands.append(Band("Settings", (tuple(_settings(facts)),)))
    edges = [*_calls(facts, workspace), *_orders(facts, workspace), *_storage(facts, workspace)]
    return Diagram(
        f"{workspace.name}: the whole system",
        "Each service of the development environment, what it calls, and what it stores.",
        _filled(bands),
        tuple(edges),
    )


def boundaries(facts: Facts) -> Diagram:
    """The tiers of production, and the calls that cross from one into another."""
    workspace = facts.production
    tier = {name: service.tier for name, service in workspace.services.items()}
    edges = (
        edge for edge in _calls(facts, workspace) if tier.get(edge.start) != tier.get(edge.end)
    )
    return Diagram(
        f"{workspace.name}: security boundaries",
        "The tiers of the production environment, and every declared call that crosses a boundary.",
        _tiers(facts, _published),
        tuple(edges),
    )


def growth(facts: Facts) -> Diagram:
    """Production with several of each service that grows in number."""
    return Diagram(
        f"{facts.production.name}: several of each",
        "The services of the production environment, and how each of them grows.",
        _tiers(facts, _growing),
        tuple(_calls(facts, facts.production)),
    )


def network(facts: Facts) -> Diagram:
    """The networks of development, who is in them, and what this machine reaches."""
    workspace = facts.development
    bands = [Band("This machine", ((Node("machine", "localhost", shape="outside"),),))]
    edges: list[Edge] = []
    for name in network_names(workspace):
        members = [service for service in workspace.services.values() if name in service.networks]
        bands.append(Band(name, (tuple(_member(name, service) for service in members),)))
        edges += [
            Edge("machine", f"{name}/{service.name}", "publish")
            for service in members
            if service.networks[0] == name and any(port.published for port in service.ports)
        ]
    return Diagram(
        f"{workspace.name}: networks",
        "The networks of the development environment, and the ports that this machine publishes.",
        _filled(bands),
        tuple(edges),
    )


def network_names(workspace: Workspace) -> list[str]:
    """The networks that are declared or used."""
    used = (name for service in workspace.services.values() for name in service.networks)
    return list(dict.fromkeys((*workspace.networks, *used)))


def tier_names(workspace: Workspace) -> list[str]:
    """The tiers from outside to inside; those of the workspace's own making last."""
    used = (service.tier for service in workspace.services.values())
    return list(dict.fromkeys((*TIERS, *used)))


def port(port: Port) -> str:
    """A port in a few words: "8000 HTTP", or "5050 → 80 HTTP" where it is published as another."""
    moved = port.published not in (None, port.target)
    return (
        f"{port.published} → {port.target} {port.protocol}"
        if moved
        else (f"{port.target} {port.protocol}")
    )


def _outside(facts: Facts) -> Band:
    actors = (Node(name, facts.title(name), shape="outside") for name in facts.flows.actors)
    return Band("Outside", (tuple(actors),))


def _section(facts: Facts, title: str, services: list[Service]) -> Band:
    rows = [
        tuple(_node(service) for service in services if service.tier == tier)
        for tier in tier_names(facts.development)
    ]
    stores = {
        source: _store(facts, source) for service in services for source in _stored(facts, service)
    }
    return Band(title, (*rows, tuple(stores.values())))


def _node(service: Service) -> Node:
    return Node(service.name, service.title, (service.role, *map(port, service.ports)))


def _published(service: Service) -> Node:
    published = (f"{port(item)}, published" for item in service.ports if item.published)
    # One port may be published for TCP and for UDP.
    return Node(service.name, service.title, tuple(dict.fromkeys(published)) or ("not published",))


def _growing(service: Service) -> Node:
    many = " × n" if (service.scaling or "").startswith("horizontal") else ""
    return Node(service.name, service.title + many, (service.scaling or "one",))


def _member(network: str, service: Service) -> Node:
    inside = (f"{service.name}:{port.target}" for port in service.ports)
    outside = (f"localhost:{port.published}" for port in service.ports if port.published)
    return Node(f"{network}/{service.name}", service.title, (*inside, *outside))


def _tiers(facts: Facts, node: Callable[[Service], Node]) -> tuple[Band, ...]:
    """A band for each tier of production, the outside first."""
    services = facts.production.services.values()
    bands = [Band("Internet", _outside(facts).rows)]
    for tier in tier_names(facts.production):
        row = tuple(node(service) for service in services if service.tier == tier)
        bands.append(Band(f"{tier.capitalize()} tier", (row,)))
    return _filled(bands)


def _stored(facts: Facts, service: Service) -> list[str]:
    """What a service keeps: volumes with a name, and folders of tools that hold no source."""
    return [
        facts.mounted(mount)
        for mount in service.mounts
        if mount.source and not mount.read_only and (not mount.is_bind or service.context is None)
    ]


def _store(facts: Facts, source: str) -> Node:
    volume = facts.development.volumes.get(source)
    detail = (volume.holds or "") if volume else "folder of this machine"
    return Node(f"volume:{source}", source, (detail,), "store")


def _settings(facts: Facts) -> Iterable[Node]:
    for file in facts.settings_files():
        readers = (f"read by {file.readers} services",) if file.readers else ()
        yield Node(f"file:{file.name}", file.name, (file.purpose, *readers), "store")


def _calls(facts: Facts, workspace: Workspace) -> Iterable[Edge]:
    protocols: dict[tuple[str, str], list[str]] = {}
    for caller, callee, protocol in facts.calls(workspace):
        if caller != callee:
            protocols.setdefault((caller, callee), []).append(protocol)
    for (caller, callee), names in protocols.items():
        yield Edge(caller, callee, "call", ", ".join(names))


def _orders(facts: Facts, workspace: Workspace) -> Iterable[Edge]:
    """`depends_on` of what declares no call: else a tool would stand there unconnected."""
    callers = {caller for caller, _, _ in facts.calls(workspace)}
    for service in workspace.services.values():
        if service.name not in callers:
            yield from (Edge(service.name, name, "order") for name in service.depends_on)


def _storage(facts: Facts, workspace: Workspace) -> Iterable[Edge]:
    for service in workspace.services.values():
        for source in _stored(facts, service):
            yield Edge(service.name, f"volume:{source}", "storage")


def _filled(bands: Iterable[Band]) -> tuple[Band, ...]:
    """`bands` without empty rows, and without those that have none."""
    kept = (Band(band.title, tuple(row for row in band.rows if row)) for band in bands)
    return tuple(band for band in kept if band.rows)
