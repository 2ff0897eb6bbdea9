"""`gp add`: add a service, whole or not at all."""

import json
import sys

from rich.console import Console

from groundplan.model.place import find_root, instance_name
from groundplan.model.workspace import describe
from groundplan.runtime import choice
from groundplan.runtime.native.drivers import is_native
from groundplan.scaffold import adding, runner
from groundplan.scaffold.plan import Plan

_console = Console(stderr=True, highlight=False, soft_wrap=True)


def service(
    name: str, kind: str, port: int | None, image: str | None, dry_run: bool, as_json: bool
) -> None:
    """Add an application service of `kind`; see `gp add service --help`."""
    root = find_root()
    with runner.exclusive(root, _say):
        plan = adding.plan_service(root, name, kind, port, image)
        carry_out(plan, dry_run, as_json)
    if not dry_run:
        _say_next(name)


def backing(
    name: str, image: str, port: int | None, volume: str | None, dry_run: bool, as_json: bool
) -> None:
    """Add a backing service; see `gp add backing --help`."""
    root = find_root()
    with runner.exclusive(root, _say):
        plan = adding.plan_backing(root, name, image, port, volume)
        carry_out(plan, dry_run, as_json)
    if not dry_run:
        _say_next(name)


def carry_out(plan: Plan, dry_run: bool, as_json: bool) -> None:
    """Show the plan, or do it and show its progress."""
    if not dry_run:
        runner.carry_out(find_root(), plan, (lambda _: None) if as_json else _say)
    if as_json:
        print(json.dumps(plan.as_dict(), indent=2))
    elif dry_run:
        print("\n".join(plan.lines()))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def is_running() -> bool:
    """True if the system runs, so that it must be started anew to see the change."""
    return choice.current(find_root(), instance_name()).status().is_running


def _say_next(name: str) -> None:
    added = describe(find_root()).service(name)
    if not is_native(added):
        _console.print(
            f"Added {name}. It needs Docker: no native driver knows {added.image}. "
            "Where none is, ./gp up leaves it out."
        )
        return
    first = "./gp down && " if is_running() else ""
    _console.print(f"Added {name}. Start it: {first}./gp up --detach")
