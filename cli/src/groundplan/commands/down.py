"""`gp down`: stop the system."""

import shutil

import click
from rich.console import Console

from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name, servers_folder, state_folder
from groundplan.runtime.native.state import StateFile, end_strays

_TIMEOUT = 60.0


def run(volumes: bool, yes: bool, dry_run: bool) -> None:
    """Stop every service; with `volumes` delete their data too, after asking."""
    root, instance = find_root(), instance_name()
    console = Console(stderr=True, highlight=False)
    state_file = StateFile(state_folder(root, instance))
    data = servers_folder(root, instance) / "volumes"
    if dry_run:
        console.print("Would stop every service" + (f" and delete {data}." if volumes else "."))
        return
    if (
        volumes
        and not yes
        and not click.confirm(f"Delete the data of every service in {data}?", err=True)
    ):
        raise UserError("Nothing was stopped or deleted.")
    was_running = state_file.is_supervised()
    if was_running:
        with console.status("Stopping."):
            if not state_file.stop_supervisor(_TIMEOUT):
                raise UserError(
                    f"The supervisor did not end within {_TIMEOUT:.0f} s.",
                    hint="Look at ./gp logs.",
                )
    strays = end_strays(state_file.folder)
    console.print("Stopped." if was_running or strays else "Nothing was running.")
    if volumes:
        try:
            if data.exists():
                shutil.rmtree(data)
        except OSError as error:
            raise UserError(f"{data} could not be deleted.", why=f"{error.strerror}.") from error
        console.print(f"Deleted {data}.")
