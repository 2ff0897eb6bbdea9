"""One-time codes by time (TOTP, RFC 6238) and recovery codes. No database, no HTTP."""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

import pyotp
import structlog
from cryptography.fernet import Fernet, InvalidToken

ISSUER = "Groundplan"
STEP_S = 30
ALLOWED_STEPS = (-1, 0, 1)  # clocks differ
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits: too many to guess, so that a plain hash is enough

log = structlog.get_logger()


class SecretUnreadableError(Exception):
    """A stored secret was encrypted with another key."""


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret that an authenticator app shall share."""

    plain: str
    encrypted: str
    uri: str


class SecretBox:
    """Encrypts the secrets of second factors at rest."""

    def __init__(self, key: str) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))

    def new_secret(self, email: str) -> NewSecret:
        """A random secret, with the URI that an app reads from a QR code."""
        plain = pyotp.random_base32()
        uri = pyotp.TOTP(plain).provisioning_uri(name=email, issuer_name=ISSUER)
        return NewSecret(plain, self._fernet.encrypt(plain.encode()).decode(), uri)

    def matching_step(self, encrypted: str, code: str) -> int | None:
        """The time step whose code this is, now or one step off."""
        try:
            totp = pyotp.TOTP(self._fernet.decrypt(encrypted.encode()).decode())
        except InvalidToken:
            # Recovery codes still work, and an admin can turn the factor off.
            log.error("second_factor.unreadable", hint="was SECOND_FACTOR_KEY changed?")  # noqa: TRY400 - the traceback tells nothing
            return None
        now = int(time.time()) // STEP_S
        steps = [now + offset for offset in ALLOWED_STEPS]
        matching = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
        return max(matching, default=None)


def is_totp(code: str) -> bool:
    """Whether it has the form of a code of an app; others are recovery codes."""
    return len(code) == 6 and code.isascii() and code.isdigit()  # noqa: PLR2004 - of RFC 6238


def normalise(code: str) -> str:
    """As people type it: spaces, hyphens and case don't count."""
    return "".join(code.split()).replace("-", "").upper()


def new_recovery_codes() -> list[str]:
    """Codes such as ABCD-EFGH-IJKL-MNOP."""
    return [_recovery_code() for _ in range(RECOVERY_CODES)]


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def hash_recovery_code(code: str) -> str:
    """What is stored of a recovery code."""
    return hashlib.sha256(normalise(code).encode("utf-8", "replace")).hexdigest()
