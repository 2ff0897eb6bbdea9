"""Which settings are secrets, as their names tell."""

import re

FOLDER = "/run/secrets/"
"""Where Compose and Swarm put the secrets of a service."""

_WORDS = r"(?:PASSWORD|PASSWD|PASS|SECRET|TOKEN|CREDENTIALS?|(?<!PUBLIC_)KEYS?|KEY_ID)"
_NAME = re.compile(rf"(?:^|_){_WORDS}$", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """True for the name of a setting that holds a secret itself, and not the path of its file."""
    return bool(_NAME.search(name))


def is_secret_file(name: str) -> bool:
    """True for the name of a setting that says in which file a secret is."""
    return name.upper().endswith("_FILE") and is_secret(name[: -len("_FILE")])
