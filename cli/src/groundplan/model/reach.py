"""Who can reach whom."""

from groundplan.model.workspace import Service, Workspace


def shares_network(one: Service, other: Service) -> bool:
    """True if both are in one network, or are the same."""
    return one.name == other.name or bool(set(one.networks) & set(other.networks))


def can_call(workspace: Workspace, caller: str, callee: str) -> bool:
    """True if `caller`, a service or somebody outside, reaches the service `callee`."""
    target = workspace.services.get(callee)
    if target is None:
        return False
    if caller in workspace.services:
        return shares_network(workspace.services[caller], target)
    return any(port.published for port in target.ports)
