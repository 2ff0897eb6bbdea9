"""The declared calls are those that the services are set up to make."""

from collections.abc import Iterable, Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.uses import uses
from groundplan.model.flows import FILE, Call
from groundplan.model.reach import shares_network
from groundplan.model.workspace import Workspace

ID = "flow-declared"
TITLE = "Declared calls and the services' addresses agree"
WHY = "The data flows in the documents are drawn from these calls."
FIX = f"Declare the call in {FILE}, or delete what is not called."
LEVEL = Level.ERROR

_PLACE = FILE.as_posix()


def check(facts: Facts) -> Iterator[Finding]:
    """Yield calls that can't be, and addresses that no call is declared for."""
    if not (facts.root / FILE).exists():
        return
    yield from _impossible(facts, facts.development, facts.flows.calls)
    yield from _impossible(facts, facts.production, facts.flows.production)
    yield from _undeclared(facts)


def _impossible(facts: Facts, workspace: Workspace, calls: Iterable[Call]) -> Iterator[Finding]:
    backed = {(use.user, use.callee) for use in uses(facts, workspace)}
    for call in calls:
        if problem := _problem(facts, workspace, call, backed):
            yield Finding(problem, _PLACE, call.line)


def _problem(
    facts: Facts, workspace: Workspace, call: Call, backed: set[tuple[str, str | None]]
) -> str:
    caller, target = (workspace.services.get(name) for name in (call.caller, call.callee))
    if target is None:
        return f"{call.callee!r} is no service, so {call.caller} can't call it."
    if caller is None:
        if call.caller not in facts.flows.actors:
            return f"{call.caller!r} is neither a service nor one of the actors."
        if not any(port.published for port in target.ports):
            return f"{call.caller} can't call {call.callee}: it publishes no port."
        return ""
    if not shares_network(caller, target):
        return f"{call.caller} can't call {call.callee}: they share no network."
    if caller != target and (caller.name, target.name) not in backed:
        return (
            f"{call.caller} can't call {call.callee}: no setting or file of it names that address."
        )
    return ""


def _undeclared(facts: Facts) -> Iterator[Finding]:
    """Tools and one-shots belong to no flow; settings that all share say nothing about one service."""
    for workspace in facts.environments:
        calls = facts.flows.calls_in(workspace.environment)
        declared = {(call.caller, call.callee) for call in calls}
        tools = {s.name for s in workspace.services.values() if s.is_tool or s.tier == "tools"}
        beyond = {None, *workspace.oneshots, *tools}
        for use in uses(facts, workspace):
            pair = (use.user, use.callee)
            if use.source == "settings" or beyond & set(pair) or use.user == use.callee:
                continue
            if pair not in declared:
                given = f"{use.user} is given the address of {use.callee}"
                yield Finding(f"{given}, but no such call is declared.", use.file, use.line)
