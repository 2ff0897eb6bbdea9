"""Every service stands between the markers of its kind."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.errors import UserError
from groundplan.model import compose, flows, markers, source
from groundplan.model.place import BASE_FILE, DEVELOPMENT_FILE, PRODUCTION_FILE

ID = "marker"
TITLE = "Every service stands between the markers of its kind"
WHY = (
    "Services are added and removed at the markers, and which kind a service is follows from them."
)
FIX = "Move the service between the markers of its kind, or put the markers back."
LEVEL = Level.ERROR

SERVICES, BACKING, DEVELOPMENT = "SERVICES", "BACKING_SERVICES", "DEVELOPMENT_SERVICES"
NEEDED = {
    BASE_FILE: (SERVICES, BACKING, "VOLUMES"),
    DEVELOPMENT_FILE: (SERVICES, BACKING, DEVELOPMENT),
    PRODUCTION_FILE: (SERVICES, BACKING, "SECRETS", "VOLUMES"),
    "config/.env.example": ("SETTINGS",),
    str(flows.FILE): ("UPKEEP", "PRODUCTION"),
}
"""The sections that each file must have."""


def check(facts: Facts) -> Iterator[Finding]:
    """Yield sections that are missing or broken, and services that stand in a wrong one."""
    refused = list(broken(facts))
    yield from refused
    introduced: set[str] = set()
    for file in (BASE_FILE, DEVELOPMENT_FILE, PRODUCTION_FILE):
        services = _services(facts, file)
        if services is None:
            return  # `compose-valid` tells, and who introduces a service is unknown
        if not any(finding.file == file for finding in refused):
            new = {name: node for name, node in services.items() if name not in introduced}
            yield from _misplaced(facts, file, new)
        introduced |= services.keys()


def broken(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the markers themselves."""
    for file, needed in NEEDED.items():
        if not (facts.root / file).is_file():
            continue
        for name in needed:
            try:
                markers.contains(facts.text(file), name, "-", file)
            except UserError as error:
                line = int(error.what.removeprefix(f"{file}:").split(" ")[0])
                yield Finding(error.what, file, line, fix=error.hint)


def _services(facts: Facts, file: str) -> dict[str, dict[str, object]] | None:
    """The services of one file as they are written; None if it can't be read."""
    try:
        tree = source.read(facts.root / file) if (facts.root / file).is_file() else {}
    except UserError:
        return None
    services = tree.get("services")
    nodes = services.items() if isinstance(services, dict) else ()
    return {name: node for name, node in nodes if isinstance(node, dict)}


def _misplaced(
    facts: Facts, file: str, services: dict[str, dict[str, object]]
) -> Iterator[Finding]:
    sections = markers.sections(facts.text(file), file)
    for name, node in services.items():
        if problem := _problem(file, sections.get(name), node):
            line = compose.locate([facts.root / file], ("services", name))[1]
            yield Finding(f"The service {name} {problem}.", file, line)


def _problem(file: str, section: str | None, node: dict[str, object]) -> str:
    """What is wrong with the section in which a service is introduced."""
    extension = node.get("x-groundplan")
    tier = extension.get("tier") if isinstance(extension, dict) else None
    if section is None:
        return "stands between no markers"
    if section == DEVELOPMENT and file != DEVELOPMENT_FILE:
        return f"stands in {DEVELOPMENT}, which belongs to {DEVELOPMENT_FILE}"
    if section == BACKING and "build" in node:
        return f"is built here, so it belongs to {SERVICES} and not to {BACKING}"
    if section == SERVICES and "build" not in node and tier not in ("edge", "application"):
        return (
            f"is an image in {SERVICES}: it belongs to {BACKING},"
            " or states the tier edge or application in x-groundplan"
        )
    return ""
