"""`gp trace`: one trace as a waterfall."""

import json
import shutil
import sys

from groundplan.errors import UserError
from groundplan.observe.client import Trace, connect
from groundplan.observe.waterfall import Line, render

_RED, _PLAIN = "\033[31m", "\033[0m"


def run(trace_id: str | None, last: bool, operation: str | None, as_json: bool) -> None:
    """Print the trace of that id, or the last one in which `operation` was done."""
    if (trace_id is None) == (not last and operation is None):
        raise UserError(
            "Give a trace's id or --last, and not both.",
            hint="./gp trace --last --operation 'POST /api/v1/export'",
            code=2,
        )
    trace = _find(trace_id, operation or "*")
    if as_json:
        spans = [span.as_dict() for span in trace.spans]
        print(json.dumps({"trace_id": trace.trace_id, "spans": spans}, indent=2))
        return
    for line in render(trace, shutil.get_terminal_size((80, 24)).columns):
        print(_coloured(line))


def _find(trace_id: str | None, operation: str) -> Trace:
    observer = connect()
    if trace_id:
        if found := observer.trace(trace_id):
            return found
        raise UserError(
            f"There is no trace {trace_id!r}.",
            why="Only the newest ones are kept.",
            hint="Show the last one: ./gp trace --last",
        )
    if found := observer.last_trace(operation):
        return found
    what = "no trace yet" if operation == "*" else f"no trace with the operation {operation!r}"
    raise UserError(
        f"There is {what}.",
        hint="Use the system first. * stands for any text: ./gp trace --last --operation 'POST *'",
    )


def _coloured(line: Line) -> str:
    return f"{_RED}{line.text}{_PLAIN}" if line.is_error and sys.stdout.isatty() else line.text
