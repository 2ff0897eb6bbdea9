"""`gp up`: start the system."""

import json
import sys

from rich.console import Console
from rich.table import Table

from groundplan.errors import UserError
from groundplan.model import settings
from groundplan.model.place import find_root, instance_name, settings_file
from groundplan.model.workspace import Workspace
from groundplan.render import Renderer, renderer
from groundplan.runtime import choice, memory
from groundplan.runtime.events import Event
from groundplan.runtime.protocol import Plan, Runtime
from groundplan.runtime.state import SystemState


def run(
    names: list[str],
    tools: bool,
    detach: bool,
    as_json: bool,
    dry_run: bool,
    wanted: str | None = None,
) -> None:
    """Start `names` (all services if empty) and what they need; see `gp up --help`."""
    root, instance = find_root(), instance_name()
    file = settings_file(root, instance)
    is_first = not file.exists()
    runtime, remark = choice.choose(root, instance, wanted)
    plan = runtime.plan(names, tools)
    if is_first and not as_json:
        place = file.relative_to(root)
        print(f"Wrote {place} with new random secrets. Git ignores it.", file=sys.stderr)
    for sentence in filter(None, (remark, *plan.left_out)):
        print(sentence, file=sys.stderr)
    if dry_run:
        return show_plan(plan, as_json)
    memory.remember(root, instance, runtime.name)
    return _start(runtime, plan, as_json, detach)


def show_plan(plan: Plan, as_json: bool) -> None:
    """Print what `up` would do, and do nothing."""
    rows = [vars(step) for step in plan.steps]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for step in plan.steps:
        print(step.service)
        for key in ("after", "installs", "ports"):
            if values := getattr(step, key):
                print(f"  {key}: {', '.join(map(str, values))}")


def _start(runtime: Runtime, plan: Plan, as_json: bool, detach: bool) -> None:
    view = renderer(plan.names, as_json, with_logs=not detach)
    try:
        runtime.up(plan, lambda event: _show(event, view, runtime, plan, as_json, detach), detach)
    except UserError as error:
        view.close()
        if as_json and not detach:
            print(json.dumps({"kind": "error", **vars(error)}), flush=True)
            raise SystemExit(error.code) from None
        raise
    finally:
        view.close()


def _show(
    event: Event, view: Renderer, runtime: Runtime, plan: Plan, as_json: bool, detach: bool
) -> None:
    view.show(event)
    if event.kind == "ready" and not as_json:
        view.close()
        show_summary(plan.workspace, runtime.status())
        if not detach and event.seconds is not None:
            Console(stderr=True).print("[dim]Ctrl-C stops everything. The logs follow.[/dim]\n")


def show_summary(workspace: Workspace, state: SystemState) -> None:
    """Print the URLs and where to sign in."""
    console = Console(stderr=True, highlight=False)
    table = Table.grid(padding=(0, 3))
    for service in state.services:
        if service.url and service.url.startswith("http"):
            table.add_row(f"  [bold]{service.name}[/bold]", f"[cyan]{service.url}[/cyan]")
    console.print()
    console.print(table)
    file = settings_file(workspace.root, workspace.instance)
    values = settings.read(file)
    if "ADMIN_EMAIL" in values:
        # The password is shown to the person at the terminal, but kept out of logs.
        password = values.get("ADMIN_PASSWORD", "") if sys.stderr.isatty() else "ADMIN_PASSWORD"
        place = file.relative_to(workspace.root)
        console.print(
            f"\n  Sign in as [bold]{values['ADMIN_EMAIL']}[/bold] with [bold]{password}[/bold] ({place})\n"
        )
