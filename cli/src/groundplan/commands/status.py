"""`gp status`: what runs, and where."""

import json
import sys

from groundplan.model.place import find_root, instance_name, state_folder
from groundplan.runtime.native.state import StateFile, SystemState

_COLOURS = {"healthy": 32, "completed": 32, "state": 2, "off": 2}
_OTHER_COLOUR = 33


def run(as_json: bool) -> int:
    """Print the state of every service; 0 if the system is ready, 3 if it is not."""
    state = StateFile(state_folder(find_root(), instance_name())).read()
    if as_json:
        print(json.dumps(state.as_dict(), indent=2))
    else:
        _print_table(state)
    return 0 if state.ready else 3


def _print_table(state: SystemState) -> None:
    """Plain text and not rich's table, which takes longer to import than all else takes together."""
    if state.supervisor is None:
        print("Nothing is running. Type ./gp up")
        return
    rows = [("service", "state", "url", "pid", "restarts", "")]
    for service in state.services:
        why = service.why or (
            "./gp up --tools" if service.state == "off" and service.is_tool else ""
        )
        pid, restarts = str(service.pid or ""), str(service.restarts or "")
        rows.append((service.name, service.state, service.url or "", pid, restarts, why))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if sys.stdout.isatty() and (colour := _COLOURS.get(row[1], _OTHER_COLOUR)):
            cells[1] = f"\033[{colour}m{cells[1]}\033[0m"
        print("  ".join(cells).rstrip())
