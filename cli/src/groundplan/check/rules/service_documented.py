"""Every service has a page with the sections that its template gives."""

from collections.abc import Iterator
from pathlib import Path

from groundplan import scaffold
from groundplan.check import documents
from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model import place
from groundplan.model.workspace import Service

ID = "service-documented"
TITLE = "Every service has its page"
WHY = "Whoever is woken at night looks there for what a service does and what to do when it fails."
FIX = "Write docs/services/NAME-service.md with the sections of the other pages there."
LEVEL = Level.ERROR

_TEMPLATES = Path(scaffold.__file__).parent / "templates"


def page_of(service: str) -> str:
    """The page of a service."""
    return place.page_of(service).as_posix()


def service_of(page: str) -> str | None:
    """The service that a page is about."""
    start, _, end = page_of("*").partition("*")
    is_page = page.startswith(start) and page.endswith(end)
    return page[len(start) : -len(end)] if is_page else None


def check(facts: Facts) -> Iterator[Finding]:
    """Yield services without a page, pages that lack a section, and pages of no service."""
    services: dict[str, Service] = {}
    for workspace in facts.environments:
        for name, service in workspace.services.items():
            if name in workspace.oneshots or name in services:
                continue
            services[name] = service
            if page_of(name) not in facts.files:
                where = facts.introduced(workspace, name)
                yield Finding(f"{name} has no page.", *where, fix=f"Write {page_of(name)}.")
            else:
                yield from _sections(facts, service)
    for page in facts.pages:
        name = service_of(page) or ""
        if name and name not in services:
            yield Finding(f"There is no service {name}.", page, fix="Delete or rename the page.")


def _sections(facts: Facts, service: Service) -> Iterator[Finding]:
    page = page_of(service.name)
    present = {heading.text for heading in documents.headings(facts, page)}
    for heading in _expected("page-built.md" if service.context else "page-image.md"):
        if heading not in present:
            yield Finding(f"The page of {service.name} lacks the section “{heading}”.", page)


def _expected(template: str) -> list[str]:
    lines = (_TEMPLATES / template).read_text().splitlines()
    return [line for line in lines if line.startswith("## ")]
