"""Every address that a service names is one that it can reach."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.uses import Use, uses
from groundplan.model.reach import shares_network
from groundplan.model.workspace import Workspace

ID = "host-reachable"
TITLE = "Every address leads to a service that can be reached"
WHY = "An address that no service answers fails only once it is used."
FIX = "Name a service of a shared network and one of its ports, or state the port with `expose`."
LEVEL = Level.ERROR


def check(facts: Facts) -> Iterator[Finding]:
    """Yield each address that leads nowhere, in one environment or the other."""
    for workspace in facts.environments:
        for use in uses(facts, workspace):
            if problem := _problem(use, workspace):
                yield Finding(f"{use.text}: {problem}.", use.file, use.line)


def _problem(use: Use, workspace: Workspace) -> str:
    if use.callee is None:
        return f"there is no service {use.host!r} in {workspace.environment}"
    target = workspace.services[use.callee]
    if not shares_network(workspace.services[use.user], target):
        return f"{use.user} shares no network with {target.name} in {workspace.environment}"
    ports = {port.target for port in target.ports}
    if use.port is not None and use.port not in ports:
        listed = ", ".join(map(str, sorted(ports))) or "none stated"
        return f"{target.name} has no port {use.port} (it has: {listed})"
    return ""
