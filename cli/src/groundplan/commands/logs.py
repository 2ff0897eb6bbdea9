"""`gp logs`: what the services wrote."""

from rich.console import Console

from groundplan.model.place import PRODUCTION, find_root, instance_name
from groundplan.model.workspace import describe, load
from groundplan.render import log_line
from groundplan.runtime import choice


def run(names: list[str], follow: bool, lines: int, is_production: bool) -> None:
    """Print the last `lines` of each service's log in one merged view, and go on if `follow`."""
    root, instance = find_root(), instance_name()
    workspace = describe(root, PRODUCTION) if is_production else load(root, instance=instance)
    for name in names:
        workspace.service(name)
    chosen = names or list(workspace.services)
    console = Console(highlight=False, soft_wrap=True)
    for line in choice.current(root, instance, is_production).logs(chosen, follow, lines):
        console.print(log_line(line.service, line.text, chosen))
