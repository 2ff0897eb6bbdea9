"""`gp check --live`: exercises or watches the running system, and compares it with the flows."""

import json
import os
import subprocess
import sys
import time

from groundplan.errors import UserError
from groundplan.model import flows as flows_module
from groundplan.model import settings
from groundplan.model.flows import Flows
from groundplan.model.place import settings_file
from groundplan.observe.client import ENDPOINT, Observer, connect
from groundplan.observe.compare import Comparison, compare

_POLL = 0.25
_SETTLE = 4.5
"""Seconds until the last spans are sent, and calls to servers without spans are counted."""
_PATIENCE = 10.0
"""Seconds after the drive in which calls that are declared as steps may still come in."""
_DRIVE_TIMEOUT = 120.0
_LAST_LINES = 8


def check_live(watch: float | None = None) -> Comparison:
    """Exercise the flows and hold all traffic since the system's start against them.

    With `watch` nothing is exercised, and the traffic of the next so many seconds is compared.
    """
    observer = connect()
    flows = flows_module.load(observer.workspace.root)
    if not flows.calls:
        raise UserError(
            f"{flows_module.FILE} declares no calls.",
            hint="Watch who calls whom with ./gp observe, and write it down there.",
        )
    if watch is not None:
        since = time.time()
        time.sleep(watch)
        return compare(flows, observer.edges(since))
    if flows.drive:
        _drive(flows, observer)
    return _settled(flows, observer)


def _drive(flows: Flows, observer: Observer) -> None:
    """Run the command that exercises the flows; raises UserError with its last words if it fails."""
    workspace = observer.workspace
    environment = {
        **os.environ,
        **settings.read(settings_file(workspace.root, workspace.instance)),
        "GROUNDPLAN_STATUS": json.dumps(observer.state.as_dict()),
        ENDPOINT: observer.url,
    }
    command = " ".join(flows.drive)
    first, *rest = flows.drive
    program = sys.executable if first == "python" else first
    try:
        done = subprocess.run(
            [program, *rest],
            cwd=workspace.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_DRIVE_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _drive_failed(command, str(error)) from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:]
        raise _drive_failed(command, "Its last lines:\n" + "\n".join(f"  {line}" for line in lines))


def _drive_failed(command: str, why: str) -> UserError:
    return UserError(
        f"The flows could not be exercised: {command} failed.",
        why=why,
        hint="Look at ./gp status and ./gp logs, or only watch: ./gp check --live --watch 10",
    )


def _settled(flows: Flows, observer: Observer) -> Comparison:
    """Compare again and again until every step of a flow was seen, or patience is over."""
    steps = {call for flow in flows.flows for call in flow.steps}
    began = time.monotonic()
    while True:
        found = compare(flows, observer.edges())
        waited = time.monotonic() - began
        is_complete = not steps.intersection(found.never_exercised)
        if waited > _PATIENCE or (is_complete and waited > _SETTLE):
            return found
        time.sleep(_POLL)
