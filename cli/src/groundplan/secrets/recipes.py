"""How each secret is made. A name that no pattern knows gets a random text."""

import re
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field

from groundplan.secrets import broker, certificates
from groundplan.secrets.inventory import Inventory

_ALPHABET = string.ascii_letters + string.digits
_PASSWORD = 32
_SIGNING_KEY = 64
_ACCESS_KEY_ID = 20
GIVEN = r"(.+)-s3-(?:access-key-id|secret-access-key)"
"""Keys of an S3 service elsewhere: they are given by people, and empty where there is none."""
IRREPLACEABLE = r"(backup-password|storage-encryption-key|second-factor-key)"
"""Without them what was encrypted can't be read any more, by anybody."""


def random_text(length: int = _PASSWORD) -> str:
    """Random letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def signing_key() -> str:
    """A random key that tokens are signed with."""
    return random_text(_SIGNING_KEY)


def access_key_id() -> str:
    """A random id of an access key of the storage."""
    return random_text(_ACCESS_KEY_ID)


def other_user(user: str) -> str:
    """The user whose turn is next: api_1, api_2, api_1, …"""
    stem = re.sub(r"_[12]$", "", user)
    return f"{stem}_1" if user.endswith("_2") else f"{stem}_2"


@dataclass
class Maker:
    """Makes secrets, and those that they are made of."""

    inventory: Inventory
    made: dict[str, str] = field(default_factory=dict)
    """What was made so far; nothing of it is written."""

    def get(self, name: str) -> str:
        """The secret `name` as it is there, or a new one."""
        value = self.made.get(name) or self.inventory.store.find(name)
        if value is None:
            value = self.made[name] = self._make(name)
        return value

    def _make(self, name: str) -> str:
        recipes: dict[str, Callable[[str], str]] = {
            r"(jwt-keys)": lambda _: signing_key(),
            r"(.+)-(?:postgres|rabbitmq)-user": lambda service: f"{service.replace('-', '_')}_1",
            r"(rabbitmq-definitions)": lambda _: self._definitions(),
            r"(s3-access-key-id)": lambda _: access_key_id(),
            GIVEN: lambda _: "",
            r"(storage-keys)": lambda _: self._storage_key(),
            r"(internal-ca-key|.+-certificate-key)": lambda _: certificates.new_key(),
            r"(internal-ca)": lambda _: certificates.authority(self.get("internal-ca-key")),
            r"(.+)-certificate": self._certificate,
        }
        for pattern, recipe in recipes.items():
            if match := re.fullmatch(pattern, name):
                return recipe(match[1])
        return random_text()

    def _definitions(self) -> str:
        logins = {
            service: {
                self.get(f"{service}-rabbitmq-user"): self.get(f"{service}-rabbitmq-password")
            }
            for service in self.inventory.services_with("rabbitmq-user")
        }
        return broker.definitions(self.inventory.root, logins, self.get("rabbitmq-password"))

    def _storage_key(self) -> str:
        return f"{self.get('s3-access-key-id')},{self.get('s3-secret-access-key')}"

    def _certificate(self, host: str) -> str:
        key = self.get(f"{host}-certificate-key")
        return certificates.server(host, key, self.get("internal-ca"), self.get("internal-ca-key"))
