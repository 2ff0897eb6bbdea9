"""Makes every secret that is missing, and never changes one that is there."""

import re
from dataclasses import dataclass
from pathlib import Path

from groundplan.model import settings
from groundplan.model.place import PRODUCTION_SETTINGS
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.recipes import IRREPLACEABLE, Maker

CERTIFICATES = PRODUCTION_SETTINGS.with_name("certificates")
"""Certificates for the product's own domains, where they are not got automatically."""
EXAMPLE = PRODUCTION_SETTINGS.with_name(".env.example")


@dataclass(frozen=True)
class Plan:
    """What will be written: settings from their example, and secrets by name."""

    inventory: Inventory
    settings: bool
    secrets: dict[str, str]

    @property
    def files(self) -> list[Path]:
        """The files, relative to the workspace."""
        folder = self.inventory.store.folder.relative_to(self.inventory.root)
        written = [PRODUCTION_SETTINGS] if self.settings else []
        return [*written, *(folder / name for name in sorted(self.secrets))]

    @property
    def irreplaceable(self) -> list[str]:
        """New secrets of which a copy must be kept elsewhere."""
        return [name for name in sorted(self.secrets) if re.fullmatch(IRREPLACEABLE, name)]


def plan(inventory: Inventory) -> Plan:
    """What is missing, with new values; writes nothing."""
    maker = Maker(inventory)
    for name in inventory.names:
        maker.get(name)
    return Plan(inventory, not (inventory.root / PRODUCTION_SETTINGS).exists(), maker.made)


def carry_out(plan: Plan) -> None:
    """Write what the plan says. Settings that exist get what their example has and they lack."""
    root = plan.inventory.root
    settings.ensure(root / PRODUCTION_SETTINGS, root / EXAMPLE)
    plan.inventory.store.create(plan.secrets)
    (root / CERTIFICATES).mkdir(exist_ok=True)  # or Docker makes it, as root
