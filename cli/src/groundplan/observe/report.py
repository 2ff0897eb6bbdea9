"""The outcome of `gp check --live`, for people and machines."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from groundplan.check import flow_seen, formats
from groundplan.check.engine import Report
from groundplan.check.finding import Finding, Level
from groundplan.model.flows import FILE, Call
from groundplan.observe.compare import Comparison, declaration
from groundplan.observe.live import check_live


def run(output: str, watch: float | None) -> int:
    """Compare, and print it as "text", "json", "sarif" or "github"; 1 for calls that nobody declared."""
    found = check_live(watch)
    match output:
        case "text":
            print("\n".join(text(found)))
        case "json":
            print(json.dumps(as_dict(found), indent=2))
        case _:
            print(formats.FORMATS[output](Report(tuple(findings(found)))))
    return int(bool(found.undeclared))


def text(found: Comparison) -> Iterator[str]:
    """Lines for people: each declared call, then what is declared nowhere and what to do about it."""
    yield from _calls("Declared and seen", found.seen)
    yield from _calls("Declared, never exercised (which need not be wrong)", found.never_exercised)
    if found.undeclared:
        yield f"Seen, undeclared: {len(found.undeclared)}"
    for edge in found.undeclared:
        words = f"{edge.caller} → {edge.callee}  {edge.protocol}  {edge.operation}"
        yield f"  {words}  ({edge.count} times)"
        yield f"      If it is meant, add to {FILE}:  {declaration(edge)}"
    if found.undeclared:
        yield "If the code does not do it any more, forget it: ./gp observe --once --reset"
    yield _summary(found)


def as_dict(found: Comparison) -> dict[str, object]:
    """{"seen": […], "never_exercised": […], "undeclared": […]}; the last with the line to add."""
    return {
        "seen": [asdict(call) for call in found.seen],
        "never_exercised": [asdict(call) for call in found.never_exercised],
        "undeclared": [
            {**edge.as_dict(), "declaration": declaration(edge)} for edge in found.undeclared
        ],
    }


def findings(found: Comparison) -> Iterator[Finding]:
    """What is undeclared as errors, what was never exercised as notes."""
    lines = [call.line for call in (*found.seen, *found.never_exercised)]
    for edge in found.undeclared:
        words = f"{edge.caller} calls {edge.callee} ({edge.protocol}): {edge.operation}"
        yield Finding(
            f"{words}, which is declared nowhere.",
            FILE.as_posix(),
            max(lines, default=1),
            Level.ERROR,
            f"If it is meant, add: {declaration(edge)}",
            flow_seen.ID,
        )
    for call in found.never_exercised:
        words = f"{call.caller} → {call.callee}: {call.operation}"
        fix = "Exercise it, or remove it if it is not done any more."
        yield Finding(
            f"{words} was never seen.", FILE.as_posix(), call.line, Level.NOTE, fix, flow_seen.ID
        )


def _calls(title: str, calls: Sequence[Call]) -> Iterator[str]:
    if not calls:
        return
    yield f"{title}: {len(calls)}"
    width = max(len(f"{call.caller} → {call.callee}") for call in calls)
    for call in calls:
        pair = f"{call.caller} → {call.callee}"
        yield f"  {FILE}:{call.line:<4} {pair:<{width}}  {call.protocol:<10}  {call.operation}"
    yield ""


def _summary(found: Comparison) -> str:
    declared = len(found.seen) + len(found.never_exercised)
    return (
        f"{len(found.seen)} of {declared} declared calls seen, {len(found.undeclared)} undeclared."
    )
