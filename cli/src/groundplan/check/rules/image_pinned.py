"""Images are pinned to a version."""

import re
from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level

ID = "image-pinned"
TITLE = "Images are pinned to a version"
WHY = "`latest` is another image on each machine and on each day."
FIX = "Name a version, as postgres:17."
LEVEL = Level.ERROR

_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE)
_DOCKERFILE = re.compile(r"(?:^|/)(?:Dockerfile[^/]*|[^/]+\.Dockerfile)$")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield images without a version, in Compose files and Dockerfiles."""
    for workspace in facts.environments:
        for service in workspace.services.values():
            if service.image and (problem := _problem(service.image)):
                place = facts.place(workspace, "services", service.name, "image")
                yield Finding(f"The image {service.image} of {service.name} {problem}.", *place)
    for file in facts.files:
        if _DOCKERFILE.search(file):
            yield from _of_dockerfile(facts, file)


def _of_dockerfile(facts: Facts, file: str) -> Iterator[Finding]:
    stages = {"scratch"}
    for number, line in enumerate(facts.text(file).splitlines(), 1):
        if match := _FROM.match(line.strip()):
            image = match["image"]
            if image not in stages and "$" not in image and (problem := _problem(image)):
                yield Finding(f"The image {image} {problem}.", file, number)
            stages.add(match["stage"] or "")


def _problem(image: str) -> str:
    if "@" in image:
        return ""  # a digest
    tag = image.split("/")[-1].partition(":")[2]
    if not tag:
        return "has no tag, which means latest"
    return "is not pinned: latest moves" if tag == "latest" else ""
