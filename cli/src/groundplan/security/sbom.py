"""Bills of materials (CycloneDX, JSON): what each part ships, with licences."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan.errors import UserError
from groundplan.security.locks import Lock, normal


@dataclass(frozen=True)
class Bill:
    """What one part installs in production: the packages of its lock file, and so of its image."""

    part: str
    document: dict[str, Any]

    @property
    def components(self) -> list[dict[str, Any]]:
        """The packages."""
        found = self.document.get("components", [])
        assert isinstance(found, list)
        return found

    def write(self, folder: Path) -> Path:
        """Write it as FOLDER/PART.cdx.json."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.part}.cdx.json"
        path.write_text(json.dumps(self.document, indent=2, sort_keys=True) + "\n")
        return path


def of_node(part: str, folder: Path, environment: Mapping[str, str]) -> Bill:
    """The bill of a Node.js part, from package-lock.json alone."""
    options = ["--sbom-format", "cyclonedx", "--package-lock-only", "--omit", "dev"]
    return Bill(part, _run(["npm", "sbom", *options], part, folder, environment))


def of_python(part: str, folder: Path, python: Path, program: Path) -> Bill:
    """The bill of a Python part: of what is installed, that which requirements.lock names."""
    lock = folder / "requirements.lock"
    shipped = set(Lock(lock, lock.name).packages())
    options = ["environment", "--output-reproducible", "--short-PURLs"]
    argv = [str(program), *options, "--pyproject", str(folder / "pyproject.toml"), str(python)]
    document = _run(argv, part, folder, None)
    components = document.get("components", [])
    kept = [item for item in components if (normal(item["name"]), item["version"]) in shipped]
    document["components"] = kept
    references = {item["bom-ref"] for item in kept} | {_root_of(document)}
    document["dependencies"] = [
        {**item, "dependsOn": [name for name in item.get("dependsOn", ()) if name in references]}
        for item in document.get("dependencies", [])
        if item["ref"] in references
    ]
    return Bill(part, document)


def _root_of(document: dict[str, Any]) -> str:
    root = document.get("metadata", {}).get("component", {})
    return str(root.get("bom-ref", ""))


def _run(
    argv: list[str], part: str, folder: Path, environment: Mapping[str, str] | None
) -> dict[str, Any]:
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            f"The bill of materials of {part} could not be made.",
            why=(done.stderr.strip().splitlines() or ["It said nothing."])[-1],
            hint=f"Try it in {folder}: {' '.join(argv)}",
            code=2,
        )
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document
