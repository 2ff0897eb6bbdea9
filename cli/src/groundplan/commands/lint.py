"""`gp lint`: check the format, style and types of every part."""

import os
import subprocess

from rich.console import Console

from groundplan import parts as parts_module
from groundplan.commands.test import install
from groundplan.model.place import find_root
from groundplan.model.workspace import load


def run(name: str | None, fix: bool) -> int:
    """Lint part `name`, or all; with `fix` repair what can be repaired first. 0 if all is well."""
    chosen = parts_module.choose(parts_module.find(load(find_root())), name)
    install({item for part in chosen if part.linters for item in part.requirements})
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    failed: list[str] = []
    for part in chosen:
        for command in (*(part.fixers if fix else ()), *part.linters):
            console.print(f"[dim]{part.name}: {' '.join(command)}[/dim]")
            environment = {**os.environ, "PATH": part.path}
            if subprocess.run(command, cwd=part.folder, env=environment).returncode:
                failed.append(f"{part.name}: {' '.join(command)}")
    for text in failed:
        console.print(f"[red]failed[/red]  {text}")
    if failed and not fix:
        console.print("Repair what can be repaired: ./gp lint --fix")
    return int(bool(failed))
