"""The requests of the flows exist, and each step follows from an earlier one."""

import re
from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.rules.compose_valid import error_finding
from groundplan.errors import UserError
from groundplan.model.flows import FILE, Call, Flow
from groundplan.model.workspace import Service

ID = "flow-request"
TITLE = "Flows are made of real requests, one following another"
WHY = "A flow that names a request that nobody answers, or that starts from nowhere, explains nothing."
FIX = "Write the request as the callee's contract has it, and the steps in the order in which they happen."
LEVEL = Level.ERROR

QUEUES = {"amqp", "kafka", "mqtt", "nats", "stomp"}
"""Protocols whose server hands on what one service sends to another that asks."""
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
_PARAMETER = re.compile(r"\\\{[^/]*\\\}")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield calls that no contract has, and steps that start from nowhere."""
    yield from _unreadable(facts)
    for call in facts.flows.calls:
        if problem := _request_problem(facts, call):
            yield Finding(problem, FILE.as_posix(), call.line)
    for flow in facts.flows.flows:
        yield from _loose_steps(facts, flow)


def _unreadable(facts: Facts) -> Iterator[Finding]:
    for service in facts.development.services.values():
        try:
            if service.contract:
                facts.contract(service)
        except UserError as error:
            path = ("services", service.name, "x-groundplan", "contract")
            yield error_finding(facts, error, *facts.place(facts.development, *path))


def _request_problem(facts: Facts, call: Call) -> str:
    service = facts.development.services.get(call.callee)
    if call.protocol != "http" or not service or not service.contract:
        return ""
    try:
        operations = _operations(facts, service)
    except UserError:
        return ""  # reported once, for the service
    path = call.operation.partition(" ")[2]
    if not path.startswith("/"):
        return f"{call.operation!r} is no request. Write METHOD /path."
    wanted = _pattern(call.operation)
    if any(wanted.fullmatch(operation) for operation in operations):
        return ""
    others = sorted(o.split(" ")[0] for o in operations if _pattern(f"* {path}").fullmatch(o))
    has = f"; {path} has {', '.join(others)}" if others else ""
    return f"{service.contract} has no {call.operation}{has}."


def _operations(facts: Facts, service: Service) -> list[str]:
    """Each "METHOD /path" of a contract, with its parameters as `{}`."""
    return [
        f"{method.upper()} {re.sub(r'{[^/]*}', '{}', path)}"
        for path, item in facts.contract(service)["paths"].items()
        for method in item
        if method in _METHODS
    ]


def _pattern(operation: str) -> re.Pattern[str]:
    """A pattern for what `_operations` gives; `*` stands for any text."""
    text = _PARAMETER.sub(r"\\{\\}", re.escape(operation))
    return re.compile(text.replace(r"\*", ".*"))


def _loose_steps(facts: Facts, flow: Flow) -> Iterator[Finding]:
    """A step starts at an actor, at a callee of an earlier step, or at one that takes from its queue."""
    reached = set(facts.flows.actors)
    for step in flow.steps:
        takes_from_queue = step.protocol in QUEUES and step.callee in reached
        if step.caller not in reached and not takes_from_queue:
            message = f"No earlier step of {flow.name!r} leads to {step.caller}."
            yield Finding(message, FILE.as_posix(), step.line)
        reached |= {step.caller, step.callee}
