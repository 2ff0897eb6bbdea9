"""Writes diagrams and flows in Mermaid, as GitHub renders it."""

import re
from collections.abc import Iterable

from groundplan.docs.diagram import Band, Diagram, Edge, Node
from groundplan.docs.facts import Facts
from groundplan.docs.markdown import one_line
from groundplan.model.flows import Flow

_UNSAFE = re.compile(r"[^\w /.,()*+=?!'→·×{}-]|--|(?<=\ben)d\b", re.IGNORECASE)
_SHAPES = {"box": '["{}"]', "store": '[("{}")]', "outside": '(["{}"])'}
_ARROWS = {"call": "-->", "order": "-.->", "storage": "---", "publish": "-->"}


def flowchart(diagram: Diagram) -> str:
    """A diagram as a fenced flowchart."""
    lines = ["flowchart TB"]
    for number, band in enumerate(diagram.bands):
        lines += _band(number, band)
    lines += map(_edge, diagram.edges)
    return _fenced(lines)


def sequence(flow: Flow, facts: Facts) -> str:
    """A flow as a fenced sequence diagram, a note under each step that has one."""
    lines = ["sequenceDiagram", "  autonumber"]
    names = dict.fromkeys(name for call in flow.steps for name in (call.caller, call.callee))
    for name in names:
        kind = "participant" if name in facts.services else "actor"
        lines.append(f"  {kind} {_identifier(name)} as {text(facts.title(name))}")
    for call in flow.steps:
        caller, callee = _identifier(call.caller), _identifier(call.callee)
        lines.append(f"  {caller}->>{callee}: {text(f'{call.protocol} · {call.operation}')}")
        if call.note:
            both = ",".join(dict.fromkeys((caller, callee)))
            lines.append(f"  Note over {both}: {text(call.note)}")
    return _fenced(lines)


def text(value: str) -> str:
    """`value` with every character that Mermaid could take for its own as an entity."""
    return _UNSAFE.sub(
        lambda match: "".join(f"#{ord(character)};" for character in match[0]),
        one_line(value),
    )


def _band(number: int, band: Band) -> Iterable[str]:
    yield f'  subgraph band{number}["{text(band.title)}"]'
    for row in band.rows:
        yield from map(_node, row)
    yield "  end"


def _node(node: Node) -> str:
    label = "<br/>".join(text(line) for line in (node.title, *node.details) if line)
    return f"    {_identifier(node.key)}{_SHAPES[node.shape].format(label)}"


def _edge(edge: Edge) -> str:
    label = f'|"{text(edge.label)}"|' if edge.label else ""
    return f"  {_identifier(edge.start)} {_ARROWS[edge.kind]}{label} {_identifier(edge.end)}"


def _identifier(key: str) -> str:
    """A name that Mermaid takes; different for different keys."""
    return "n_" + re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match[0]):x}", key)


def _fenced(lines: list[str]) -> str:
    return "\n".join(["```mermaid", *lines, "```"])
