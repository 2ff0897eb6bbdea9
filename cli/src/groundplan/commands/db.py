"""`gp db`: commands that a service offers for the database, and a shell on it."""

from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name
from groundplan.model.workspace import Workspace, load
from groundplan.runtime import choice
from groundplan.runtime.protocol import Runtime


def run_command(name: str, arguments: list[str]) -> int:
    """Run what some service's `x-groundplan: commands` calls `name`, in that service's environment."""
    runtime, workspace = _running()
    service = next(
        (service for service in workspace.services.values() if name in service.commands), None
    )
    if service is None:
        raise UserError(
            f"No service offers the command {name!r}.",
            hint=f"Give it in the Compose file: x-groundplan: {{commands: {{{name}: [...]}}}}",
        )
    return runtime.run(workspace, service, [*service.commands[name], *arguments])


def shell(arguments: list[str]) -> int:
    """Run psql on the database with `arguments`."""
    runtime, workspace = _running()
    service = next(
        (service for service in workspace.services.values() if service.image_name == "postgres"),
        None,
    )
    if service is None:
        raise UserError("The workspace has no PostgreSQL.")
    return runtime.psql(workspace, service, arguments)


def _running() -> tuple[Runtime, Workspace]:
    """The runtime that runs, and the workspace with its ports; raises UserError if none does."""
    root, instance = find_root(), instance_name()
    runtime = choice.current(root, instance)
    state = runtime.status()
    if not state.is_running:
        raise UserError("The database is not running.", hint="Start the system: ./gp up --detach")
    return runtime, load(root, state.ports, instance)
