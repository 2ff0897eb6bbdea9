"""`gp status`: what runs, and where."""

import json
import shutil
import sys
from pathlib import Path

from groundplan.backup import age
from groundplan.model.place import find_root, instance_name
from groundplan.runtime import choice
from groundplan.runtime.state import SystemState

_COLOURS = {"healthy": 32, "completed": 32, "state": 2, "off": 2, "fresh": 2, "overdue": 31}
_OTHER_COLOUR = 33


def run(as_json: bool, as_map: bool, is_production: bool) -> int:
    """Print the state of every service; 0 if the system is ready, 3 if it is not."""
    root = find_root()
    state = choice.current(root, instance_name(), is_production).status()
    if as_json:
        moment = age.now()
        backups = {it.kind: it.as_dict(moment) for it in age.ages(state.services)}
        print(json.dumps(state.as_dict() | {"backups": backups}, indent=2))
    elif as_map:
        _print_map(root, state)
    else:
        _print_table(state, "./gp deploy" if is_production else "./gp up")
    return 0 if state.ready else 3


def _print_table(state: SystemState, start: str) -> None:
    """Plain text and not rich's table, which takes longer to import than all else takes together."""
    if not state.is_running:
        print(f"Nothing is running. Type {start}")
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
        cells[1] = _paint(row[1], cells[1])
        print("  ".join(cells).rstrip())
    _print_backups(state)


def _print_backups(state: SystemState) -> None:
    moment = age.now()
    found = age.ages(state.services)
    if found:
        texts = (
            _paint("overdue" if it.is_stale(moment) else "fresh", it.text(moment)) for it in found
        )
        print(f"backups: {', '.join(texts)}")
    for it in found:
        if it.error:
            print(f"  {it.kind} failed: {it.error}")


def _print_map(root: Path, state: SystemState) -> None:
    from groundplan.docs import (
        map as system_map,
    )  # reads Compose files, which a plain status does not
    from groundplan.docs.facts import gather

    if not state.is_running:
        print("Nothing is running; this is the design. Type ./gp up")
    columns = shutil.get_terminal_size((80, 24)).columns
    lines = system_map.draw(gather(root), state, columns, _paint)
    encoding = sys.stdout.encoding or "ascii"
    try:
        "\n".join(lines).encode(encoding)
    except UnicodeEncodeError:
        plain = (system_map.to_ascii(line) for line in lines)
        lines = [line.encode(encoding, "replace").decode(encoding) for line in plain]
    print("\n".join(lines))


def _paint(state: str, text: str) -> str:
    """`text` in the colour of `state`, on a terminal."""
    if not state or not sys.stdout.isatty():
        return text
    return f"\033[{_COLOURS.get(state, _OTHER_COLOUR)}m{text}\033[0m"
