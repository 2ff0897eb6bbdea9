"""`gp secrets`: makes, checks and rotates the secrets of production."""

import json
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from groundplan import render
from groundplan.deploy.deployment import deployment_of
from groundplan.errors import UserError
from groundplan.model.place import PRODUCTION_SETTINGS, find_root
from groundplan.runtime.docker import engine
from groundplan.secrets import initialise, rotation
from groundplan.secrets.check import check as check_secrets
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.rotation import Rotation
from groundplan.secrets.runner import Runner

_console = Console(highlight=False, soft_wrap=True)


def init(dry_run: bool, as_json: bool) -> None:
    """Make what is missing, or say what would be made."""
    plan = initialise.plan(Inventory(find_root()))
    if not dry_run:
        initialise.carry_out(plan)
    if as_json:
        print(json.dumps({"written": not dry_run, "files": [str(file) for file in plan.files]}))
        return
    verb = "would write" if dry_run else "wrote"
    for file in plan.files:
        _console.print(f"{verb} {file}")
    for name in plan.irreplaceable:
        _console.print(
            f"[yellow]![/] Keep a copy of {name} elsewhere: without it nobody can read what it encrypts."
        )
    if not plan.files:
        _console.print("Nothing is missing.")
    elif plan.settings and not dry_run:
        _console.print(
            f"\nPut your domain into {PRODUCTION_SETTINGS}, then type ./gp secrets check"
        )


def rotate(names: list[str], everything: bool, finish: bool, as_json: bool, dry_run: bool) -> None:
    """Rotate `names` one after another, or list the rotations."""
    inventory = Inventory(find_root())
    if everything:
        names = rotation.names(inventory)
    if not names:
        _list(inventory, as_json)
        return
    _refuse_others(names, inventory)
    is_live = _is_live(inventory)
    if dry_run:
        _print([_begin(name, inventory, is_live) for name in names], as_json)
        return
    renderer = render.renderer([], as_json, with_logs=False)
    try:
        with inventory.store.locked():
            runner = Runner(deployment_of(inventory.root), renderer.show)
            for name in names:  # each begins with what the one before has left
                runner.carry_out(_begin(name, inventory, is_live), finish)
    finally:
        renderer.close()


def _begin(name: str, inventory: Inventory, is_live: bool) -> Rotation:
    """The rotation where it stopped, or a new one."""
    under_way = rotation.unfinished(inventory)
    return under_way.get(name) or rotation.begin(name, inventory, is_live)


def _refuse_others(names: list[str], inventory: Inventory) -> None:
    """Raise UserError where a rotation that is not among `names` was interrupted: they share files."""
    for name, item in rotation.unfinished(inventory).items():
        if name not in names and not item.overlap_ends:
            raise UserError(
                f"The rotation of {name} was interrupted.",
                hint=f"Finish it first: ./gp secrets rotate {name}",
            )


def _is_live(inventory: Inventory) -> bool:
    """False where nothing was ever started; raises UserError where what was started does not run."""
    if not engine.answers():
        return False
    deployment = deployment_of(inventory.root)
    if deployment.is_running():
        return True
    if deployment.has_data():
        raise UserError(
            "Production does not run, and its servers know the present secrets.",
            hint="Start it first: ./gp deploy",
        )
    return False


def _list(inventory: Inventory, as_json: bool) -> None:
    under_way = rotation.unfinished(inventory)
    names = rotation.names(inventory)
    if as_json:
        print(json.dumps([{"name": name, "under_way": name in under_way} for name in names]))
        return
    for name in names:
        _console.print(f"{name}{' (under way)' if name in under_way else ''}")


def _print(chosen: list[Rotation], as_json: bool) -> None:
    if as_json:
        plans = [
            {"name": item.name, "steps": [step.title for step in item.steps[item.done :]]}
            for item in chosen
        ]
        print(json.dumps(plans))
        return
    for item in chosen:
        for step in item.steps[item.done :]:
            _console.print(f"{item.name}: {step.title}")


def check(as_json: bool) -> int:
    """Print what is wrong; 1 if production can't start with it."""
    problems = list(check_secrets(Inventory(find_root())))
    if as_json:
        print(json.dumps([asdict(problem) for problem in problems]))
    else:
        for problem in problems:
            mark = "[yellow]![/]" if problem.is_warning else "[red]✗[/]"
            text = escape(f"{problem.subject} {problem.text}: {problem.hint}")
            _console.print(f"{mark} {text}")
        if not problems:
            _console.print("[green]✓[/] The secrets are fit for production.")
    return int(any(not problem.is_warning for problem in problems))
