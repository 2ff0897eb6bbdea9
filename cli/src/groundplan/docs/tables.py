"""The tables of services, boundaries and scaling, as Markdown."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from groundplan.docs.facts import Facts
from groundplan.docs.markdown import NONE, both, code, listing, table, text
from groundplan.docs.pictures import tier_names
from groundplan.model.workspace import Port, Service

_FOLDER = Path("docs") / "architecture"


def services(facts: Facts) -> str:
    """Every service, what it is and where more is said of it."""
    rows = []
    for service in facts.services.values():
        page = facts.page(service)
        rows.append(
            (
                code(service.name),
                text(service.title),
                text(service.role) or NONE,
                text(service.tier),
                _origin(facts, service),
                _link(page.stem, page) if page else NONE,
            )
        )
    return table(("Service", "Title", "What it is", "Tier", "Runs", "Page"), rows)


def boundaries(facts: Facts) -> str:
    """Each tier of production: who is in it, what is published of it, and who calls into it."""
    workspace = facts.production
    rows = []
    for tier in tier_names(workspace):
        members = [service for service in workspace.services.values() if service.tier == tier]
        if members:
            names = listing(text(service.title) for service in members)
            published = (
                f"{text(service.title)} {_published(port)}"
                for service in members
                for port in service.ports
                if port.published
            )
            crossing = listing(_crossing(facts, tier))
            # One port may be published for TCP and for UDP.
            rows.append((text(tier), names, listing(dict.fromkeys(published)), crossing))
    return table(("Tier", "Services", "Published", "Calls from other tiers"), rows)


def scaling(facts: Facts) -> str:
    """What each service may use, and how it grows."""
    rows = []
    for service in facts.services.values():
        twin = facts.production.services.get(service.name)
        rows.append(
            (
                text(service.title),
                both(service.cpu_limit, twin.cpu_limit if twin else service.cpu_limit),
                both(service.memory_limit, twin.memory_limit if twin else service.memory_limit),
                str(twin.replicas) if twin else NONE,
                text(service.scaling or "") or NONE,
            )
        )
    return table(("Service", "CPU", "Memory", "Replicas in production", "Scaling"), rows)


def _origin(facts: Facts, service: Service) -> str:
    if service.context is None:
        return code(service.image)
    path = facts.path(service.context).removeprefix("./")
    return _link(path, Path(path)) if (facts.root / path).is_dir() else code(path)


def _link(title: str, path: Path) -> str:
    """A link from the overview to a file of the workspace."""
    return f"[{text(title)}]({quote(os.path.relpath(path, _FOLDER))})"


def _published(port: Port) -> str:
    return code(f"{port.host or '0.0.0.0'}:{port.published}")  # noqa: S104 - says where it listens


def _crossing(facts: Facts, tier: str) -> Iterable[str]:
    services = facts.production.services
    for caller, callee, protocol in facts.calls(facts.production):
        other = services[caller].tier if caller in services else None
        if callee in services and services[callee].tier == tier and other != tier:
            yield f"{text(facts.title(caller))} → {text(facts.title(callee))} ({text(protocol)})"
