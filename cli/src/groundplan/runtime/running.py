"""The system that runs, and what its services offer, for commands that need it."""

from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name
from groundplan.model.workspace import Service, Workspace, load
from groundplan.runtime import choice
from groundplan.runtime.protocol import Runtime


def running(is_production: bool = False) -> tuple[Runtime, Workspace]:
    """The runtime that runs, and the workspace with its ports; raises UserError if none does."""
    root, instance = find_root(), instance_name()
    runtime = choice.current(root, instance, is_production)
    state = runtime.status()
    if not state.is_running:
        start = "./gp deploy" if is_production else "./gp up --detach"
        raise UserError("The system is not running.", hint=f"Start it: {start}")
    if is_production:
        from groundplan.deploy.deployment import deployment_of  # development needs none of it

        return runtime, deployment_of(root).workspace
    return runtime, load(root, state.ports, instance)


def offering(workspace: Workspace, command: str) -> Service:
    """The first service that offers `command` by `x-groundplan: commands`; raises UserError if none does."""
    service = find_offering(workspace, command)
    if service is None:
        raise UserError(
            f"No service offers the command {command!r}.",
            hint=f"Give it in the Compose file: x-groundplan: {{commands: {{{command}: [...]}}}}",
        )
    return service


def find_offering(workspace: Workspace, command: str) -> Service | None:
    """The same, or None."""
    services = workspace.services.values()
    return next((service for service in services if command in service.commands), None)
