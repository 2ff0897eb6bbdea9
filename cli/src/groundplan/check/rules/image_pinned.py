"""Images are pinned to a version."""

from collections.abc import Iterator

from groundplan.check import dockerfile
from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level

ID = "image-pinned"
TITLE = "Images are pinned to a version"
WHY = "`latest` is another image on each machine and on each day."
FIX = "Name a version, as postgres:17."
LEVEL = Level.ERROR


def check(facts: Facts) -> Iterator[Finding]:
    """Yield images without a version, in Compose files and Dockerfiles."""
    for workspace in facts.environments:
        for service in workspace.services.values():
            if service.image and (problem := _problem(service.image)):
                place = facts.place(workspace, "services", service.name, "image")
                yield Finding(f"The image {service.image} of {service.name} {problem}.", *place)
    for file in dockerfile.files(facts):
        for stage in dockerfile.read(facts.text(file)).images():
            if "$" not in stage.base and (problem := _problem(stage.base)):
                yield Finding(f"The image {stage.base} {problem}.", file, stage.line)


def _problem(image: str) -> str:
    if "@" in image:
        return ""  # a digest
    tag = image.split("/")[-1].partition(":")[2]
    if not tag:
        return "has no tag, which means latest"
    return "is not pinned: latest moves" if tag == "latest" else ""
