"""`gp db`: commands that a service offers for the database, and a shell on it."""

import os
import subprocess

from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name, state_folder
from groundplan.model.workspace import Workspace, load
from groundplan.runtime.native.addresses import Addresses
from groundplan.runtime.native.drivers import postgres, source
from groundplan.runtime.native.drivers.base import Site
from groundplan.runtime.native.state import StateFile


def run_command(name: str, arguments: list[str]) -> int:
    """Run what some service's `x-groundplan: commands` calls `name`, in that service's environment."""
    workspace = running_workspace()
    service = next(
        (service for service in workspace.services.values() if name in service.commands), None
    )
    if service is None:
        raise UserError(
            f"No service offers the command {name!r}.",
            hint=f"Give it in the Compose file: x-groundplan: {{commands: {{{name}: [...]}}}}",
        )
    environment = source.environment_of(service, Site(workspace, Addresses(workspace)))
    return subprocess.run(
        [*service.commands[name], *arguments], cwd=service.context, env=environment
    ).returncode


def shell(arguments: list[str]) -> int:
    """Run psql on the database with `arguments`."""
    workspace = running_workspace()
    service = next(
        (service for service in workspace.services.values() if service.image_name == "postgres"),
        None,
    )
    if service is None:
        raise UserError("The workspace has no PostgreSQL.")
    program, settings = postgres.client(service, Addresses(workspace))
    return subprocess.run([program, *arguments], env={**os.environ, **settings}).returncode


def running_workspace() -> Workspace:
    """The workspace with the ports at which it runs; raises UserError if it does not."""
    root, instance = find_root(), instance_name()
    state = StateFile(state_folder(root, instance)).read()
    if state.supervisor is None:
        raise UserError("The database is not running.", hint="Start the system: ./gp up --detach")
    return load(root, state.ports, instance)
