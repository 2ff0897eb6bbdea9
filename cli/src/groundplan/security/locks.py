"""The lock files of a workspace: what is installed anywhere, to the exact version."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groundplan.check.facts import Facts

_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True)
class Lock:
    """One lock file, for Python if it is no package-lock.json."""

    path: Path
    name: str
    """Relative to the root, as findings name it."""

    @property
    def is_node(self) -> bool:
        """Whether npm wrote it."""
        return self.path.name == "package-lock.json"

    def packages(self) -> Iterator[tuple[str, str]]:
        """Name and version of each package, in the form that advisories use."""
        text = self.path.read_text()
        if not self.is_node:
            yield from ((normal(name), version) for name, version in _PINNED.findall(text))
            return
        for place, entry in json.loads(text).get("packages", {}).items():
            if "node_modules/" in place and "version" in entry:
                yield place.rpartition("node_modules/")[2], entry["version"]


def find(root: Path) -> list[Lock]:
    """Every lock file of the workspace; of files with the same content the first."""
    found: dict[bytes, Lock] = {}
    for file in Facts(root).files:
        path = root / file
        is_node = path.name == "package-lock.json"
        if is_node or (path.suffix == ".lock" and "--hash=" in path.read_text()):
            found.setdefault(path.read_bytes(), Lock(path, file))
    return list(found.values())


def normal(name: str) -> str:
    """A Python package's name as PyPI writes it."""
    return _SEPARATORS.sub("-", name).lower()
