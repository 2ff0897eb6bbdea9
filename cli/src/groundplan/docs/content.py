"""What the documents should say: the content of every block, and every picture."""

from groundplan.docs import addresses, mermaid, pictures, sequence, storage, svg, tables
from groundplan.docs.diagram import Diagram
from groundplan.docs.facts import Facts


def render(facts: Facts) -> tuple[dict[str, str], dict[str, str]]:
    """The content of every block, and every picture by its file's name."""
    diagrams = {
        "picture": pictures.overview(facts),
        "network": pictures.network(facts),
        "boundaries": pictures.boundaries(facts),
        "scaling": pictures.growth(facts),
    }
    flows = {f"flow-{flow.name}": flow for flow in facts.flows.flows}
    bodies = {
        "picture": _drawn("picture", diagrams),
        "services": tables.services(facts),
        "network": f"{_drawn('network', diagrams)}\n\n{addresses.network(facts)}",
        "ports": addresses.ports(facts),
        **{name: _with_link(mermaid.sequence(flow, facts), name) for name, flow in flows.items()},
        "storage": storage.storage(facts),
        "boundaries": f"{_drawn('boundaries', diagrams)}\n\n{tables.boundaries(facts)}",
        "scaling": f"{_drawn('scaling', diagrams)}\n\n{tables.scaling(facts)}",
    }
    images = {f"{name}.svg": svg.draw(diagram) for name, diagram in diagrams.items()}
    images |= {f"{name}.svg": sequence.draw(flow, facts) for name, flow in flows.items()}
    return {name: f"\n{body}\n\n" for name, body in bodies.items()}, images


def _drawn(name: str, diagrams: dict[str, Diagram]) -> str:
    return _with_link(mermaid.flowchart(diagrams[name]), name)


def _with_link(drawing: str, name: str) -> str:
    return f"{drawing}\n\n[The same as a picture]({name}.svg)"
