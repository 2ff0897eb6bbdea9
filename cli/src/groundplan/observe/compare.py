"""Holds the declared calls against those that were seen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from groundplan.model.flows import Call, Flows
from groundplan.observe.client import Edge

_PART = re.compile(r"(\*|\{[^{}/]*\})")
_PLAIN = re.compile(r"[A-Za-z][\w /.-]*")


@dataclass(frozen=True)
class Comparison:
    """Each declared call is in one of the first two, each edge that none declares in the last."""

    seen: tuple[Call, ...]
    never_exercised: tuple[Call, ...]
    """Declared, and not seen yet: not the same as wrong."""
    undeclared: tuple[Edge, ...]


def compare(flows: Flows, edges: Sequence[Edge]) -> Comparison:
    """Which declared calls were seen, which were not, and what was seen that nobody declared."""
    seen = [call for call in flows.calls if any(is_declared_by(edge, call) for edge in edges)]
    return Comparison(
        seen=tuple(seen),
        never_exercised=tuple(call for call in flows.calls if call not in seen),
        undeclared=tuple(edge for edge in edges if not is_declared(edge, flows)),
    )


def is_declared(edge: Edge, flows: Flows) -> bool:
    """True if some declared call covers the edge."""
    return any(is_declared_by(edge, call) for call in flows.calls)


def is_declared_by(edge: Edge, call: Call) -> bool:
    """True if the edge is what the call declares."""
    return (edge.caller, edge.callee, edge.protocol) == (
        call.caller,
        call.callee,
        call.protocol,
    ) and matches(call.operation, edge.operation)


def matches(pattern: str, operation: str) -> bool:
    """True if `pattern` stands for `operation`: `*` for any text, `{x}` for one part of a path."""
    return _expression(pattern).fullmatch(operation) is not None


def declaration(edge: Edge) -> str:
    """The line of flows.yaml that would declare the edge."""
    fields = {
        "from": edge.caller,
        "to": edge.callee,
        "protocol": edge.protocol,
        "operation": edge.operation,
    }
    return "- {" + ", ".join(f"{key}: {_scalar(value)}" for key, value in fields.items()) + "}"


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(map(_part, _PART.split(pattern))), re.DOTALL)


def _part(text: str) -> str:
    if text == "*":
        return ".*"
    return "[^/]+" if text.startswith("{") and text.endswith("}") else re.escape(text)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
