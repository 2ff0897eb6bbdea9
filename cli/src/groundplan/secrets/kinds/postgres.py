"""Logins of PostgreSQL, and the password of its owner."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator

from groundplan.secrets import recipes
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.kinds.base import Values, renew, required, run, server
from groundplan.secrets.steps import Ask, Step, Write

_OWNER = "postgres-password"
_ITERATIONS = 4096
PSQL = 'psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
"""The client in the server's container: the owner needs no password on the socket there."""


class Login:
    """A service's login: SERVICE_1 and SERVICE_2 take turns, and one-shots make the one whose turn it is."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """The services that have a login."""
        return inventory.services_with("postgres-user")

    def values(self, subject: str, inventory: Inventory) -> Values:
        """The other login, with a new password."""
        user, password = f"{subject}-postgres-user", f"{subject}-postgres-password"
        old = required(inventory, user, password)
        return Values(old, {user: recipes.other_user(old[user]), password: recipes.random_text()})

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Make the login beside the old one, use it, drop the old one."""
        user = f"{subject}-postgres-user"
        yield Write(values.new)
        yield from run(inventory, user)
        yield from renew(inventory, user)
        yield _drop(server(inventory, "postgres"), values.old[user])


class Owner:
    """The owner's password: only one-shots use it, and sessions survive its change."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """There is one owner."""
        return [""] if _OWNER in inventory.names else []

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new password."""
        return Values(required(inventory, _OWNER), {_OWNER: recipes.random_text()})

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Set it in the server, then in the file."""
        # The server gets what it would make of the password, so that no log of it can hold the password.
        verifier = scram_verifier(values.new[_OWNER])
        yield Ask(
            server(inventory, "postgres"),
            "set the owner's password",
            ("sh", "-c", f"exec {PSQL}"),
            f"ALTER ROLE CURRENT_USER PASSWORD '{verifier}';",
        )
        yield Write(values.new)


def scram_verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803); `password` is ASCII."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    first, second, third = (base64.b64encode(it).decode() for it in (salt, client, server_key))
    return f"SCRAM-SHA-256${_ITERATIONS}:{first}${second}:{third}"


def _drop(service: str, user: str) -> Ask:
    # psql quotes the variable: as a text in :'user', as a name in :"user".
    statements = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :'user';
        DROP ROLE IF EXISTS :"user";
    """
    command = ("sh", "-c", f'exec {PSQL} --output /dev/null --set "user=$1"', "drop", user)
    return Ask(service, f"drop the login {user}", command, statements)
