"""RabbitMQ's definitions: users with hashed passwords, and what each may do.

config/rabbitmq/definitions.json has all but the users, in RabbitMQ's own format; permissions name a
service there, and the users that the service may have get them.
"""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundplan.errors import UserError

TEMPLATE = Path("config") / "rabbitmq" / "definitions.json"
ADMIN = "admin"
_ALL = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
_SALT_BYTES = 4


def definitions(root: Path, logins: Mapping[str, Mapping[str, str]], admin_password: str) -> str:
    """The definitions as JSON; `logins` has the users of each service with their passwords.

    A service without permissions of its own may use what is named after it.
    """
    template = _read(root / TEMPLATE)
    given = {permission["user"]: permission for permission in template.get("permissions", [])}
    users = [_user(ADMIN, admin_password, ["administrator"])]
    permissions = [{"user": ADMIN, **_ALL}]
    for service, passwords in logins.items():
        users += [_user(user, password) for user, password in passwords.items()]
        allowed = given.get(service) or _named_after(service)
        permissions += [{**allowed, "user": user} for user in passwords]
    return json.dumps({**template, "users": users, "permissions": permissions}, indent=2)


def _named_after(service: str) -> dict[str, str]:
    own = rf"^{re.escape(service)}(\..*)?$"
    return {"vhost": "/", "configure": own, "write": own, "read": own}


def accepts(text: str, user: str, password: str) -> bool:
    """True if the definitions in `text` have the user with that password."""
    try:
        users = {item["name"]: item["password_hash"] for item in json.loads(text)["users"]}
        salt = base64.b64decode(users[user])[:_SALT_BYTES]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(users[user] == _hash(password, salt))


def _user(name: str, password: str, tags: list[str] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "password_hash": _hash(password, secrets.token_bytes(_SALT_BYTES)),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": tags or [],
    }


def _hash(password: str, salt: bytes) -> str:
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} can't be read.", why=str(error), hint=f"Restore it: git checkout -- {file}"
        ) from error
    return content
