"""`gp status`: what runs, and where."""

import json

from groundplan.model.place import find_root, instance_name, state_folder
from groundplan.runtime.native.state import StateFile, SystemState


def run(as_json: bool) -> int:
    """Print the state of every service; 0 if the system is ready, 3 if it is not."""
    state = StateFile(state_folder(find_root(), instance_name())).read()
    if as_json:
        print(json.dumps(state.as_dict(), indent=2))
    else:
        _print_table(state)
    return 0 if state.ready else 3


def _print_table(state: SystemState) -> None:
    from rich.console import Console  # slow to import, and --json needs none of it
    from rich.table import Table

    if state.supervisor is None:
        print("Nothing is running. Type ./gp up")
        return
    table = Table(box=None, padding=(0, 2), header_style="dim", pad_edge=False)
    for heading in ("service", "state", "url", "pid", "restarts", ""):
        table.add_column(heading)
    for service in state.services:
        style = {"healthy": "green", "completed": "green", "off": "dim"}.get(service.state, "yellow")
        why = service.why or ("./gp up --tools" if service.state == "off" and service.is_tool else "")
        pid = str(service.pid or "")
        table.add_row(service.name, f"[{style}]{service.state}[/]", service.url, pid, str(service.restarts or ""), why)
    Console(highlight=False).print(table)
