"""Volumes that are mounted are declared, and the other way round."""

import re
from collections.abc import Iterator
from pathlib import Path

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.place import PRODUCTION_FOLDER
from groundplan.model.workspace import Mount, Service, Workspace

ID = "volume-declared"
TITLE = "Mounts and declared volumes agree"
WHY = "A misspelt volume or folder is made empty, and data seem to be lost."
FIX = "Declare the volume under `volumes`, or mend its name; keep local state below tmp/."
LEVEL = Level.ERROR

_ELSEWHERE = ("../", "tmp/", f"{PRODUCTION_FOLDER.as_posix()}/")
"""Outside, made on the first start, or written by `gp secrets init`."""


def check(facts: Facts) -> Iterator[Finding]:
    """Yield mounts of what is not there, and volumes that nothing mounts."""
    for workspace in facts.environments:
        for service in workspace.services.values():
            for mount in service.mounts:
                if problem := _problem(facts, mount):
                    place = _place(facts, workspace, service, mount)
                    yield Finding(f"{service.name} mounts {problem}.", *place)
    used = {
        mount.source
        for workspace in facts.environments
        for service in workspace.services.values()
        for mount in service.mounts
    }
    for workspace in facts.environments:
        for name in workspace.volumes:
            if name not in used:
                place = facts.place(workspace, "volumes", name)
                yield Finding(f"No service mounts the volume {name}.", *place)


def _problem(facts: Facts, mount: Mount) -> str:
    if mount.source is None or not mount.is_bind:
        return ""
    path = facts.relative(Path(mount.source))
    is_ours = not path.startswith(_ELSEWHERE)
    return f"{path}, which is not there" if is_ours and not Path(mount.source).exists() else ""


def _place(facts: Facts, workspace: Workspace, service: Service, mount: Mount) -> tuple[str, int]:
    """The line of a mount: merged lists are not in the order of the files, so its target is looked for."""
    file, line = facts.place(workspace, "services", service.name, "volumes")
    return file, facts.seek(file, line, re.compile(re.escape(mount.target))) or line
