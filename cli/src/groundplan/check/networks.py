"""Who can reach whom."""

from groundplan.model.workspace import Service


def shares_network(one: Service, other: Service) -> bool:
    """True if both are in one network, or are the same."""
    return one.name == other.name or bool(set(one.networks) & set(other.networks))
