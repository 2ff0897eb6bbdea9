"""`gp down`: stop the system."""

import click
from rich.console import Console

from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name
from groundplan.runtime import choice


def run(volumes: bool, yes: bool, dry_run: bool, is_production: bool) -> None:
    """Stop every service; with `volumes` delete their data too, after asking."""
    runtime = choice.current(find_root(), instance_name(), is_production)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    data = ", ".join(runtime.data()) if volumes else ""
    if dry_run:
        console.print("Would stop every service" + (f" and delete {data}." if data else "."))
        return
    if (
        data
        and not yes
        and not click.confirm(f"Delete the data of every service in {data}?", err=True)
    ):
        raise UserError("Nothing was stopped or deleted.")
    with console.status("Stopping."):
        was_running = runtime.stop()
    console.print("Stopped." if was_running else "Nothing was running.")
    if data:
        runtime.delete_data()
        console.print(f"Deleted {data}.")
