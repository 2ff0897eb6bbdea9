"""`gp lint`: check the format, style and types of every part."""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console

from groundplan import parts as parts_module
from groundplan.commands.test import install
from groundplan.model.place import find_root
from groundplan.model.workspace import load
from groundplan.parts import Part


@dataclass(frozen=True)
class Outcome:
    """What a linter said."""

    name: str
    output: str
    failed: bool


def run(name: str | None, fix: bool) -> int:
    """Lint part `name`, or all; with `fix` repair what can be repaired first. 0 if all is well."""
    chosen = parts_module.choose(parts_module.find(load(find_root())), name)
    chosen = [part for part in chosen if part.linters]
    install({item for part in chosen for item in part.requirements})
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    failed: list[str] = []
    with console.status("linting") as status, ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = pool.map(lambda part: _lint(part, fix), chosen)
        for part in chosen:
            status.update(f"linting {part.name}")
            for outcome in next(outcomes):
                console.print(f"[dim]{outcome.name}[/dim]")
                print(outcome.output, end="", flush=True)
                failed += [outcome.name] * outcome.failed
    for text in failed:
        console.print(f"[red]failed[/red]  {text}")
    if failed and not fix:
        console.print("Repair what can be repaired: ./gp lint --fix")
    return int(bool(failed))


def _lint(part: Part, fix: bool) -> Sequence[Outcome]:
    """One command after another: those of a part write the same files and caches."""
    environment = {**os.environ, "PATH": part.path}
    outcomes = []
    for command in (*(part.fixers if fix else ()), *part.linters):
        done = subprocess.run(
            command,
            cwd=part.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        name = f"{part.name}: {' '.join(command)}"
        outcomes.append(Outcome(name, done.stdout, bool(done.returncode)))
    return outcomes
