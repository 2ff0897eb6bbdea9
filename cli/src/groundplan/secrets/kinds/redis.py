"""Passwords of Redis: a user may have two at a time."""

from collections.abc import Iterator

from groundplan.secrets import recipes
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.kinds.base import Values, renew, required, server
from groundplan.secrets.steps import Ask, Step, Write

_ADMIN = "redis-password"


class Password:
    """The password of a service's user; the user has the service's name."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """The services that have a user."""
        return inventory.services_with("redis-password")

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new password."""
        name = f"{subject}-redis-password"
        return Values(required(inventory, _ADMIN, name), {name: recipes.random_text()})

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Accept both, use the new one, accept only that."""
        service, [(name, new)] = server(inventory, "redis"), values.new.items()
        admin = values.old[_ADMIN]
        yield _set(service, admin, subject, f">{new}")
        yield Write(values.new)
        yield from renew(inventory, name, without=service)
        yield _set(service, admin, subject, f"resetpass >{new}")


class Admin:
    """The administrator's password, which no service uses."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """There is one administrator."""
        return [""] if _ADMIN in inventory.names else []

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new password."""
        return Values(required(inventory, _ADMIN), {_ADMIN: recipes.random_text()})

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Accept both, write the new one, accept only that."""
        service, new = server(inventory, "redis"), values.new[_ADMIN]
        yield _set(service, values.old[_ADMIN], "admin", f">{new}")
        yield Write(values.new)
        yield _set(service, new, "admin", f"resetpass >{new}")


def _set(service: str, admin: str, user: str, rules: str) -> Ask:
    verb = "forget the old password of" if "resetpass" in rules else "accept a new password of"
    lines = f"AUTH admin {admin}\nACL SETUSER {user} {rules}\n"
    return Ask(service, f"{verb} {user}", ("redis-cli", "-e"), lines)
