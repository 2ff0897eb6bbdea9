"""What all kinds of rotation share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from groundplan.errors import UserError
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.steps import Renew, Run, Step

OVERLAP = 3600.0
"""Seconds that an old key is believed: no token or link that it has signed lives longer."""


@dataclass(frozen=True)
class Values:
    """Secrets by name: as they were, as they are in between, one after another, and as they will be."""

    old: Mapping[str, str] = field(repr=False)
    new: Mapping[str, str] = field(repr=False)
    between: Sequence[Mapping[str, str]] = field(default=(), repr=False)


class Kind(Protocol):
    """How one kind of secret is rotated. The subject is the part of the rotation's name that varies.

    Every step may be done twice: a rotation that was interrupted goes on with the step it was at.
    """

    def subjects(self, inventory: Inventory) -> list[str]:
        """What can be rotated in this workspace; [""] where there is one and no more."""

    def values(self, subject: str, inventory: Inventory) -> Values:
        """New values; writes nothing."""

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """What is to be done while the system runs."""


def required(inventory: Inventory, *names: str) -> dict[str, str]:
    """The present values; raises UserError where one is missing."""
    values = {name: inventory.store.find(name) for name in names}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise UserError(
            f"Secrets are missing: {', '.join(missing)}.", hint="Make them: ./gp secrets init"
        )
    return {name: value or "" for name, value in values.items()}


def renew(inventory: Inventory, *secrets: str, without: str = "") -> Iterator[Step]:
    """Let the services that read any of `secrets` take the new values."""
    workspace = inventory.workspace
    for name, service in workspace.services.items():
        reads = bool({*secrets} & {*service.secrets})
        if reads and service.is_active and name not in workspace.oneshots and name != without:
            yield Renew(name)


def run(inventory: Inventory, secret: str) -> Iterator[Step]:
    """Run the one-shots that read `secret`."""
    oneshots = inventory.workspace.oneshots
    yield from (Run(name) for name in inventory.readers(secret) if name in oneshots)


def server(inventory: Inventory, image: str) -> str:
    """The service that runs `image`; raises UserError where there is none."""
    for service in inventory.workspace.services.values():
        if service.image_name == image:
            return service.name
    raise UserError(f"No service of production has the image {image}.")
