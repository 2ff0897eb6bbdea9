"""A copy of this repository, to which services are added."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from groundplan import docs
from groundplan.__main__ import gp
from groundplan.errors import UserError
from groundplan.scaffold.template import LEFTOVERS

REPOSITORY = Path(__file__).parents[2]
NEEDED = (
    "docker-compose.yml",
    "docker-compose.development.yml",
    "docker-compose.production.yml",
    "config",
    "docs/architecture",
    "docs/services",
)
"""What adding and removing looks at."""


class Product:
    """A copy of the files of this repository: all that are not ignored by git, or those in `NEEDED`."""

    def __init__(self, root: Path, whole: bool = False) -> None:
        self.root = root
        places = () if whole else NEEDED
        for name in _git(REPOSITORY, "ls-files", "-zco", "--exclude-standard", "--", *places).split(
            "\0"
        ):
            if name and (REPOSITORY / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, root / name)
        docs.write(root)

    def gp(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as a user does in this folder."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.endswith("_PORT") and name != "GROUNDPLAN_INSTANCE"
        }
        return subprocess.run(
            [sys.executable, "-m", "groundplan", *words],
            cwd=self.root,
            env={**environment, "GROUNDPLAN_ROOT": str(self.root), "COLUMNS": "200"},
            input=answer,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def refused(self, *words: str) -> str:
        """What a command that must fail says; it runs in this process, which is quicker."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GROUNDPLAN_ROOT", str(self.root))
            done = CliRunner().invoke(gp, words)
        assert done.exit_code != 0
        if isinstance(done.exception, SystemExit):
            return done.output
        assert isinstance(done.exception, UserError), done.exception
        return str(done.exception)

    def do(self, *words: str) -> str:
        """Run a command that must succeed; what it prints for machines."""
        done = self.gp(*words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def json(self, *words: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.gp(*words, "--json").stdout)

    def commit(self) -> None:
        """Put everything into a commit."""
        _git(self.root, "init", "--quiet", "--initial-branch=main")
        _git(self.root, "add", "--all", "--force")
        author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        _git(self.root, *author, "commit", "--quiet", "--message=all", "--no-verify")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands there once."""
        text = (self.root / name).read_bytes().decode()
        assert text.count(old) == 1, (name, old)
        (self.root / name).write_bytes(text.replace(old, new).encode())

    def tree(self) -> dict[str, tuple[int, bytes]]:
        """Mode and content of every file and folder, but local state and what installations leave."""
        found: dict[str, tuple[int, bytes]] = {}
        for folder, folders, files in os.walk(self.root):
            is_top = Path(folder) == self.root
            folders[:] = [
                name
                for name in folders
                if not LEFTOVERS.fullmatch(name) and not (is_top and name in ("tmp", ".git"))
            ]
            for name in (*folders, *files):
                path = Path(folder, name)
                content = path.read_bytes() if path.is_file() else b""
                found[str(path.relative_to(self.root))] = (path.lstat().st_mode, content)
        found.pop("config/.env", None)
        return found


def _git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *words], check=True, capture_output=True, text=True
    ).stdout
