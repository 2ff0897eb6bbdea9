"""`gp remove`: remove a service, and leave the tree as it was before it was added."""

import sys

import click

from groundplan.commands.add import carry_out
from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name
from groundplan.runtime import choice
from groundplan.scaffold import runner
from groundplan.scaffold.removing import Removal, plan_removal


def run(name: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Remove the service `name`, after asking; see `gp remove --help`."""
    root = find_root()
    with runner.exclusive(root, lambda text: print(text, file=sys.stderr)):
        removal = plan_removal(root, name)
        if not dry_run:
            _refuse_running(name)
        if not dry_run and not yes:
            _refuse_loss(name, removal)
            _ask(name, removal)
        carry_out(removal.plan, dry_run, as_json)
    if dry_run:
        return
    for volume in removal.volumes:
        print(f"The data of the volume {volume} are kept.", file=sys.stderr)


def _refuse_running(name: str) -> None:
    state = choice.current(find_root(), instance_name()).status()
    if any(service.name == name and service.pid for service in state.services):
        raise UserError(
            f"{name} runs.", why="It would go on, and write files again.", hint="Type ./gp down"
        )


def _refuse_loss(name: str, removal: Removal) -> None:
    if removal.lost:
        files = "".join(f"\n    {path}" for path in removal.lost)
        raise UserError(
            f"{name} was not removed: its files were changed, and are in no commit.",
            why=f"These would be lost:{files}",
            hint=f"Commit them first, or type ./gp remove {name} --yes",
        )


def _ask(name: str, removal: Removal) -> None:
    for line in removal.plan.lines():
        print(line, file=sys.stderr)
    if not click.confirm(f"Remove {name}?", err=True):
        raise UserError("Nothing was removed.")
