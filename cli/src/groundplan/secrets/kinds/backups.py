"""The key of the repository of backups: restic believes any number of them."""

from collections.abc import Iterator

from groundplan.backup.client import BACKUP
from groundplan.runtime.running import offering
from groundplan.secrets import recipes
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.kinds.base import Values, renew, required
from groundplan.secrets.steps import Ask, Step, Write

_KEY = "backup-password"


class Repository:
    """Who has the new key can read what is there, and nobody with the old one."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """There is one repository."""
        return [""] if _KEY in inventory.names else []

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new key."""
        return Values(required(inventory, _KEY), {_KEY: recipes.random_text()})

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Accept both, use the new one, accept only that."""
        service = offering(inventory.workspace, BACKUP)
        command = service.commands[BACKUP]
        new = f"{values.new[_KEY]}\n"
        yield Ask(service.name, "accept a new key", (*command, "key-add"), new)
        yield Write(values.new)
        yield from renew(inventory, _KEY)
        yield Ask(service.name, "forget the old key", (*command, "key-remove-old"))
