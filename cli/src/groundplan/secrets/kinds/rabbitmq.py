"""Users of RabbitMQ. They are made from its definitions, which hold no password."""

from collections.abc import Iterator, Mapping

from groundplan.secrets import broker, recipes
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.kinds.base import Values, renew, required, server
from groundplan.secrets.steps import Ask, Step, Write

_DEFINITIONS = "rabbitmq-definitions"
_ADMIN = "rabbitmq-password"
_DELETE = """
rabbitmqctl -q delete_user "$1" || ! rabbitmqctl -q list_users | cut -f 1 | grep -qx "$1"
"""


class User:
    """A service's user: SERVICE_1 and SERVICE_2 take turns."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """The services that have a user."""
        return inventory.services_with("rabbitmq-user")

    def values(self, subject: str, inventory: Inventory) -> Values:
        """The other user, with a new password; the definitions have both in between."""
        user, password = f"{subject}-rabbitmq-user", f"{subject}-rabbitmq-password"
        old = required(inventory, user, password)
        new = {user: recipes.other_user(old[user]), password: recipes.random_text()}
        both = {old[user]: old[password], new[user]: new[password]}
        between = _definitions(inventory, {subject: both})
        alone = _definitions(inventory, {subject: {new[user]: new[password]}})
        return Values(old, {**new, _DEFINITIONS: alone}, ({_DEFINITIONS: between},))

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Make the user beside the old one, use it, delete the old one."""
        service, user = server(inventory, "rabbitmq"), f"{subject}-rabbitmq-user"
        yield Write(values.between[0])
        yield _import(service)
        yield Write({name: value for name, value in values.new.items() if name != _DEFINITIONS})
        yield from renew(inventory, user)
        yield Write({_DEFINITIONS: values.new[_DEFINITIONS]})
        purpose = f"delete the user {values.old[user]}"
        yield Ask(service, purpose, ("sh", "-c", _DELETE, "delete", values.old[user]))


class Admin:
    """The administrator's password, which no service uses."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """There is one administrator."""
        return [""] if _DEFINITIONS in inventory.names else []

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new password, and definitions with it."""
        password = recipes.random_text()
        definitions = _definitions(inventory, {}, password)
        new = {_ADMIN: password, _DEFINITIONS: definitions}
        return Values(required(inventory, _ADMIN), new)

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Change the definitions, and let the server read them."""
        yield Write(values.new)
        yield _import(server(inventory, "rabbitmq"))


def _import(service: str) -> Ask:
    command = ("rabbitmqctl", "-q", "import_definitions", f"/run/secrets/{_DEFINITIONS}")
    return Ask(service, "make the users of its definitions", command)


def _definitions(
    inventory: Inventory, changed: Mapping[str, Mapping[str, str]], admin: str | None = None
) -> str:
    """The definitions, with the users of the services in `changed` as they are given there."""
    logins = {
        service: changed.get(service) or _login(service, inventory)
        for service in inventory.services_with("rabbitmq-user")
    }
    admin = admin or required(inventory, _ADMIN)[_ADMIN]
    return broker.definitions(inventory.root, logins, admin)


def _login(service: str, inventory: Inventory) -> dict[str, str]:
    user, password = f"{service}-rabbitmq-user", f"{service}-rabbitmq-password"
    values = required(inventory, user, password)
    return {values[user]: values[password]}
