"""How large the images of production are over their bases, and how long a rebuild takes after an edit.

Needs a Docker engine, and no running system. The sources are copied, and the copies are edited.
"""

import json
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from groundplan.check import dockerfile
from groundplan.model.place import PRODUCTION, PRODUCTION_SETTINGS
from groundplan.runtime.docker.engine import Project
from system import ROOT, report

MIB = 2**20
LIMITS_MIB = {"api": 90.0, "worker": 60.0, "frontend": 5.0}
LIMIT_SECONDS = 5.0
EDITED = {"api": "app/main.py", "worker": "src/main.ts", "frontend": "src/main.tsx"}
LEFT_OUT = shutil.ignore_patterns("node_modules", "dist", "__pycache__", ".venv", ".*_cache")


def copy_checkout(target: Path) -> None:
    """What images are built from."""
    for name in ("services", "contracts", "config"):
        shutil.copytree(ROOT / name, target / name, ignore=LEFT_OUT)
    for file in ROOT.glob("docker-compose*.yml"):
        shutil.copy(file, target)
    shutil.copy(ROOT / f"{PRODUCTION_SETTINGS}.example", target / PRODUCTION_SETTINGS)


def size(image: str) -> float:
    """MiB of an image with all its layers."""
    shown = subprocess.run(
        ["docker", "image", "inspect", image], capture_output=True, text=True, check=True
    )
    return float(json.loads(shown.stdout)[0]["Size"]) / MIB


def base_of(name: str) -> str:
    """The image that production's image of a service begins with."""
    read = dockerfile.read((ROOT / "services" / name / "Dockerfile").read_text())
    return read.lineage(read.stages[-1])[-1].base


def rebuild(project: Project, name: str) -> float:
    """Seconds that a build takes after one more line in one file."""
    file = project.root / "services" / name / EDITED[name]
    mark = "#" if file.suffix == ".py" else "//"
    file.write_text(f"{file.read_text()}{mark} {uuid.uuid4()}\n")
    began = time.monotonic()
    project.run("build", name)
    return time.monotonic() - began


def main() -> None:
    """Build each image, edit its sources, build it again."""
    version = f"bench-{uuid.uuid4().hex[:8]}"
    rows: list[tuple[str, float, str, float | None]] = []
    with tempfile.TemporaryDirectory() as folder:
        copy_checkout(Path(folder))
        project = Project(
            Path(folder), "groundplan-bench", PRODUCTION, {"GROUNDPLAN_VERSION": version}
        )
        for name, limit in LIMITS_MIB.items():
            image = f"groundplan/{name}:{version}"
            project.run("build", name)
            try:
                over = size(image) - size(base_of(name))
                rows.append((f"{name}: over {base_of(name)}", over, "MiB", limit))
                seconds = rebuild(project, name)
                rows.append((f"{name}: rebuild after an edit", seconds, "s", LIMIT_SECONDS))
            finally:
                subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)
    report(rows)


if __name__ == "__main__":
    main()
