"""The flows that docs/architecture/flows.yaml declares: who calls whom, how, and for what."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from groundplan.errors import UserError
from groundplan.model.place import PRODUCTION

FILE = Path("docs") / "architecture" / "flows.yaml"


@dataclass(frozen=True)
class Call:
    """One caller asks one callee for something."""

    caller: str
    callee: str
    protocol: str
    """"http", "postgresql", "redis", "amqp" or another lower-case word."""
    operation: str
    """What is asked for, e.g. "GET /api/v1/users/{id}"; `*` stands for any text."""
    line: int
    note: str = ""
    """What it is for, for people."""


@dataclass(frozen=True)
class Flow:
    """Calls that follow each other for one purpose."""

    name: str
    title: str
    steps: tuple[Call, ...]
    line: int


@dataclass(frozen=True)
class Flows:
    """All declared calls."""

    actors: tuple[str, ...]
    """Callers outside the workspace, e.g. "browser"."""
    flows: tuple[Flow, ...]
    upkeep: tuple[Call, ...]
    """Calls that belong to no flow."""
    drive: tuple[str, ...]
    """A command that exercises the flows on the running system."""
    production: tuple[Call, ...] = ()
    """Calls that there are in production only, e.g. from a load balancer."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every declared call but those of production only; those of flows first."""
        return tuple(call for flow in self.flows for call in flow.steps) + self.upkeep

    def calls_in(self, environment: str) -> tuple[Call, ...]:
        """The calls that may be made in `environment`."""
        return (*self.production, *self.calls) if environment == PRODUCTION else self.calls


def load(root: Path) -> Flows:
    """The declared flows of the workspace; none if it has no such file.

    Raises UserError, naming file and line, for what can't be read.
    """
    file = root / FILE
    if not file.exists():
        return Flows((), (), (), ())
    try:
        node = yaml.compose(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{FILE}:{mark.line + 1}" if mark else str(FILE)
        raise UserError(
            f"{place} is not valid YAML.", why=str(getattr(error, "problem", error))
        ) from error
    tree = _mapping(node, {"actors", "flows", "upkeep", "drive", "production"})
    flows = tree.get("flows")
    return Flows(
        actors=tuple(_text(item) for item in _items(tree.get("actors"))),
        flows=tuple(_flow(key, value) for key, value in (flows.value if flows else [])),
        upkeep=tuple(_call(item) for item in _items(tree.get("upkeep"))),
        drive=tuple(_text(item) for item in _items(tree.get("drive"))),
        production=tuple(_call(item) for item in _items(tree.get("production"))),
    )


def _flow(key: Any, value: Any) -> Flow:
    fields = _mapping(value, {"title", "steps"}, {"title", "steps"})
    steps = tuple(_call(item) for item in _items(fields["steps"]))
    return Flow(_text(key), _text(fields["title"]), steps, _line(key))


def _call(node: Any) -> Call:
    required = {"from", "to", "protocol", "operation"}
    fields = _mapping(node, required | {"note"}, required)
    note = _text(fields["note"]) if "note" in fields else ""
    caller, callee, protocol, operation = (
        _text(fields[name]) for name in ("from", "to", "protocol", "operation")
    )
    return Call(caller, callee, protocol, operation, _line(node), note)


def _mapping(node: Any, allowed: set[str], required: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment] # a constant
    if not isinstance(node, yaml.MappingNode):
        raise _error(node, "must be a mapping")
    fields = {key.value: value for key, value in node.value}
    if unknown := sorted(fields.keys() - allowed):
        raise _error(
            node, f"has the unknown key {unknown[0]!r}", f"Keys: {', '.join(sorted(allowed))}."
        )
    if missing := sorted(required - fields.keys()):
        raise _error(node, f"lacks {missing[0]!r}")
    return fields


def _items(node: Any) -> list[Any]:
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise _error(node, "must be a list")
    return list(node.value)


def _text(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _error(node, "must be a text")
    return str(node.value)


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _error(node: Any, what: str, hint: str = "") -> UserError:
    line = _line(node) if node is not None else 1
    return UserError(f"{FILE}:{line} {what}.", hint=hint or "See docs/architecture/overview.md.")
