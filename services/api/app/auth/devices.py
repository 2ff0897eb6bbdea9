"""A signed cookie tells a device from which an account signed in before."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

DEVICE_TTL_S = 365 * 24 * 3600


class Devices:
    """Makes and checks the values of the cookie: `NONCE.SIGNATURE`, for one e-mail address."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Sign with the first key; believe all of them."""
        self._keys = keys

    def issue(self, email: str) -> str:
        """A value for a device that has just signed in."""
        nonce = secrets.token_hex(16)
        return f"{nonce}.{_sign(self._keys[0], nonce, email)}"

    def is_known(self, cookie: str, email: str) -> bool:
        """Whether the cookie came from here, for that address."""
        nonce, _, signature = cookie.partition(".")
        given = signature.encode()
        return any(
            hmac.compare_digest(_sign(key, nonce, email).encode(), given) for key in self._keys
        )


def _sign(key: str, nonce: str, email: str) -> str:
    text = f"device:{nonce}:{email.lower()}".encode("utf-8", "replace")
    return hmac.digest(key.encode(), text, hashlib.sha256).hex()
