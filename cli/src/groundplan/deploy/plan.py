"""What a deployment does, in which order."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from groundplan.deploy.rolling import is_replaceable
from groundplan.model.workspace import Workspace


class Action(StrEnum):
    """What is done to the services of a step."""

    START = "start"
    """Compose creates or recreates what is missing or has changed."""
    RUN = "run"
    """They run to their end."""
    REPLACE = "replace"
    """Their containers are replaced one by one."""


@dataclass(frozen=True)
class Step:
    """One action on services that don't depend on each other."""

    action: Action
    services: tuple[str, ...]


def plan(workspace: Workspace, names: Sequence[str], outdated: Collection[str]) -> list[Step]:
    """The steps for the services `names`, or for all.

    `outdated` are those that run with another image or configuration than they should. What must
    have run to its end before a service starts is run with it.
    """
    active = [service.name for service in workspace.services.values() if service.is_active]
    chosen = {*(names or active)}
    for name in list(chosen):
        chosen |= workspace.oneshots & {*workspace.service(name).depends_on}
    return [
        step for level in _levels(workspace, chosen) for step in _steps(workspace, level, outdated)
    ]


def _steps(workspace: Workspace, level: list[str], outdated: Collection[str]) -> Iterator[Step]:
    def is_replaced(name: str) -> bool:
        return name in outdated and is_replaceable(workspace.services[name])

    def is_run(name: str) -> bool:
        return name in workspace.oneshots

    chosen: dict[Action, Callable[[str], bool]] = {
        Action.START: lambda name: not is_run(name) and not is_replaced(name),
        Action.RUN: is_run,
        Action.REPLACE: is_replaced,
    }
    for action, fits in chosen.items():
        if services := tuple(name for name in level if fits(name)):
            yield Step(action, services)


def _levels(workspace: Workspace, chosen: Collection[str]) -> list[list[str]]:
    """The chosen services: first those that need none, then those that need only the first, and so on."""
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            needed = workspace.services[name].depends_on
            depths[name] = 1 + max(map(depth, needed), default=-1)
        return depths[name]

    order = sorted({depth(name) for name in chosen})
    return [
        [name for name in workspace.services if name in chosen and depth(name) == level]
        for level in order
    ]
