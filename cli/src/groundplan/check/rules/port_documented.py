"""Ports that pages name are those of the Compose files."""

import re
from collections.abc import Iterator

from groundplan.check import addresses, documents
from groundplan.check.documents import Row
from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.rules.service_documented import service_of
from groundplan.model.workspace import Service

ID = "port-documented"
TITLE = "Ports in pages are right"
WHY = "A wrong port sends people to another program, or to none."
FIX = "Write the port that the Compose files give."
LEVEL = Level.ERROR

_HERE = re.compile(r"(?<![\w.])(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d{2,5})(?!\d)")
_NUMBER = re.compile(r"(?<![\w.:/])(\d{2,5})(?![\w.])")
_PORT_HEADER = re.compile(r"\bports?\b|\blistens?\b", re.IGNORECASE)


def check(facts: Facts) -> Iterator[Finding]:
    """Yield ports in the text, in code and in tables that no service has."""
    services = {**facts.production.services, **facts.development.services}
    published = {
        port.published
        for workspace in facts.environments
        for service in workspace.services.values()
        for port in service.ports
    }
    inside = {port.target for service in services.values() for port in service.ports}
    names = "|".join(map(re.escape, sorted(services, key=len, reverse=True)))
    address = re.compile(rf"(?<![\w./:-])(?P<host>{names}):(?P<port>\d{{2,5}})(?![\d.])")
    for page in facts.pages:
        for number, line in enumerate(facts.text(page).split("\n"), 1):
            for port in _HERE.findall(line):
                if int(port) not in published | inside:
                    yield Finding(f"Nothing is published at port {port}.", page, number)
            for found in addresses.find(line, address):
                service = services.get(found.host)
                if service and found.has_likely_port and found.port not in _ports(service):
                    message = f"{service.name} does not listen on {found.port}."
                    yield Finding(message, page, number)
        for row in documents.rows(facts, page):
            yield from _table(services, page, row)


def _table(services: dict[str, Service], page: str, row: Row) -> Iterator[Finding]:
    service = _subject(services, page, row)
    for header, cell in row.cells.items():
        if not service or not _PORT_HEADER.search(header):
            continue
        for port in _NUMBER.findall(cell):
            if int(port) not in _ports(service):
                yield Finding(f"{service.name} has no port {port}.", page, row.line)


def _subject(services: dict[str, Service], page: str, row: Row) -> Service | None:
    first = next(iter(row.cells.values()), "").strip("`* ").lower()
    for service in services.values():
        if first in (service.name.lower(), service.title.lower()):
            return service
    return services.get(service_of(page) or "")


def _ports(service: Service) -> set[int]:
    return {n for port in service.ports for n in (port.target, port.published) if n}
