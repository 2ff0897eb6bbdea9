"""Records what the real Compose makes of tests/corpus: `python tests/record_corpus.py [CASE …]`.

It takes `docker compose`, or `docker-compose`, from PATH; no engine need run.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

CORPUS = Path(__file__).with_name("corpus")
HOME = "/home/somebody"


def record(case: Path) -> None:
    """Write what Compose says to the files of `case` into its expected.json."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / case.name  # the folder's name is the project's
        shutil.copytree(case, copy)
        expected = _ask(copy)
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (case / "expected.json").write_text(text + "\n")


def _ask(folder: Path) -> dict[str, Any]:
    names = [word for file in compose_files(folder) for word in ("-f", file.name)]
    command = [*_compose(), *names, "config", "--format", "json"]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    said = done.stdout if done.returncode == 0 else done.stderr.strip()
    said = said.replace(str(folder), "<root>").replace(str(folder.parent), "<above>")
    return {"config": json.loads(said)} if done.returncode == 0 else {"refused": said}


def _compose() -> list[str]:
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    return ["docker", "compose"]


def compose_files(folder: Path) -> list[Path]:
    """The Compose files of a case in the order of their merge."""
    return [folder / "docker-compose.yml", *sorted(folder.glob("docker-compose.*.yml"))]


def environment(folder: Path) -> dict[str, str]:
    """The environment that a case is read in."""
    given = dotenv_values(folder / "variables.env", interpolate=False)
    variables = {name: value or "" for name, value in given.items()}
    return {"PATH": os.environ["PATH"], "HOME": HOME, **variables}


if __name__ == "__main__":
    wanted = sys.argv[1:] or sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
    for name in wanted:
        record(CORPUS / name)
