"""No service can reach what it never uses."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.uses import uses
from groundplan.model.reach import shares_network
from groundplan.model.workspace import Service, Workspace

ID = "reach-unused"
TITLE = "Services reach only what they use"
WHY = "Whoever breaks into a service can go on to all that it reaches."
FIX = "Separate them by networks of their own, where that is worth it."
LEVEL = Level.NOTE


def check(facts: Facts) -> Iterator[Finding]:
    """Yield one note for each service that reaches more than it uses.

    A service is looked at in production, or in development if it is only there.
    """
    for name in {**facts.production.services, **facts.development.services}:
        in_production = name in facts.production.services
        workspace = facts.production if in_production else facts.development
        service = workspace.services[name]
        if unused := _unused(facts, workspace, service):
            file, line = facts.place(workspace, "services", name, "networks")
            yield Finding(f"{name} reaches and never uses: {', '.join(unused)}.", file, line)


def _unused(facts: Facts, workspace: Workspace, service: Service) -> list[str]:
    used: set[str | None] = {
        call.callee
        for call in facts.flows.calls_in(workspace.environment)
        if call.caller == service.name
    }
    used |= set(service.depends_on) | {service.name}
    beyond = workspace.oneshots
    used |= {use.callee for use in uses(facts, workspace) if use.user == service.name}
    return [
        other.name
        for other in workspace.services.values()
        if other.name not in used and other.name not in beyond and shares_network(service, other)
    ]
