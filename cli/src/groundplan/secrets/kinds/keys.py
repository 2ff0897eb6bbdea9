"""Keys that sign: an old one is believed until all that it has signed has ended."""

from collections.abc import Iterator

from groundplan.secrets import recipes
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.kinds.base import OVERLAP, Values, renew, required
from groundplan.secrets.steps import Overlap, Step, Write

_JWT = "jwt-keys"
_STORAGE = "storage-keys"
_ID, _SECRET = "s3-access-key-id", "s3-secret-access-key"


class Jwt:
    """The first line of jwt-keys signs, all lines are believed.

    The new key is believed by every replica before one of them signs with it.
    """

    def subjects(self, inventory: Inventory) -> list[str]:
        """There is one file of keys."""
        return [""] if _JWT in inventory.names else []

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new key."""
        old = required(inventory, _JWT)
        current, new = old[_JWT].split("\n")[0], recipes.signing_key()
        between = ({_JWT: f"{current}\n{new}"}, {_JWT: f"{new}\n{current}"})
        return Values(old, {_JWT: new}, between)

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Believe, sign, forget."""
        for keys in values.between:
            yield Write(keys)
            yield from renew(inventory, _JWT)
        yield Overlap(OVERLAP)
        yield Write(values.new)
        yield from renew(inventory, _JWT)


class Storage:
    """The storage takes every line of storage-keys; the services have one of them."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """There is one storage."""
        return [""] if _STORAGE in inventory.names else []

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new key; both are in storage-keys in between."""
        old = required(inventory, _ID, _SECRET)
        new = {_ID: recipes.access_key_id(), _SECRET: recipes.random_text()}
        lines = [f"{pair[_ID]},{pair[_SECRET]}" for pair in (new, old)]
        return Values(old, {**new, _STORAGE: lines[0]}, ({_STORAGE: "\n".join(lines)},))

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Accept both, use the new one, accept only that."""
        yield Write(values.between[0])
        yield from renew(inventory, _STORAGE)
        yield Write({name: values.new[name] for name in (_ID, _SECRET)})
        yield from renew(inventory, _ID, _SECRET)
        yield Overlap(OVERLAP)
        yield Write({_STORAGE: values.new[_STORAGE]})
        yield from renew(inventory, _STORAGE)
