"""`gp db`: commands that a service offers for the database, and a shell on it."""

import subprocess

from groundplan.errors import UserError
from groundplan.runtime.running import offering, running


def run_command(name: str, arguments: list[str]) -> int:
    """Run what some service's `x-groundplan: commands` calls `name`, in that service's environment."""
    runtime, workspace = running()
    service = offering(workspace, name)
    call = runtime.call(workspace, service, [*service.commands[name], *arguments], on_terminal=True)
    return subprocess.run(call.argv, env=call.environment, cwd=call.cwd).returncode


def shell(arguments: list[str]) -> int:
    """Run psql on the database with `arguments`."""
    runtime, workspace = running()
    service = next(
        (service for service in workspace.services.values() if service.image_name == "postgres"),
        None,
    )
    if service is None:
        raise UserError("The workspace has no PostgreSQL.")
    return runtime.psql(workspace, service, arguments)
