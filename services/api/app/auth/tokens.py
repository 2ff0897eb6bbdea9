"""Access tokens (JWT, HS256) and the form of refresh tokens."""

import hashlib
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID, uuid4

import jwt

from app.core.errors import UnauthorizedError

ALGORITHM = "HS256"
ISSUER = "groundplan"
AUDIENCE = "groundplan-api"
ACCESS_TTL_S = 30 * 60
REFRESH_TTL_S = 7 * 24 * 3600
REQUIRED_CLAIMS = ["iss", "aud", "exp", "iat", "jti", "sub", "sid", "ver", "typ"]
MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says: user, session, the user's session version, end (Unix time)."""

    user_id: UUID
    session_id: UUID
    version: int
    expires_at: int


class AccessTokens:
    """Makes and checks access tokens."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Sign with the first key; believe all of them, so that keys can be replaced."""
        self._keys = {_key_id(key): key for key in keys}
        self._signing_id = _key_id(keys[0])
        self._verified: dict[str, AccessClaims] = {}

    def issue(self, user_id: UUID, session_id: UUID, version: int) -> str:
        """A signed token that lasts ACCESS_TTL_S seconds."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "typ": "access",
            "sub": str(user_id),
            "sid": str(session_id),
            "ver": version,
            "iat": now,
            "exp": now + ACCESS_TTL_S,
            "jti": uuid4().hex,
        }
        key_id = self._signing_id
        return jwt.encode(claims, self._keys[key_id], ALGORITHM, headers={"kid": key_id})

    def verify(self, token: str) -> AccessClaims:
        """Claims of a token that we signed and that still lasts; else UnauthorizedError.

        Signatures are remembered, because checking one costs more than most requests do.
        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(token)
            if len(self._verified) >= MAX_REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        if claims.expires_at <= time.time():
            self._verified.pop(token, None)
            raise UnauthorizedError("The access token has expired.", "token_expired")
        return claims

    def _decode(self, token: str) -> AccessClaims:
        try:
            claims = self._claims(token)
            if claims["typ"] != "access" or not isinstance(claims["ver"], int):
                raise UnauthorizedError("This is no access token.", "token_invalid")
            return AccessClaims(
                UUID(claims["sub"]), UUID(claims["sid"]), claims["ver"], int(claims["exp"])
            )
        except jwt.ExpiredSignatureError as error:
            raise UnauthorizedError("The access token has expired.", "token_expired") from error
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise UnauthorizedError("The access token is not valid.", "token_invalid") from error

    def _claims(self, token: str) -> dict[str, Any]:
        """What a token says that one of the keys signed; raises PyJWTError."""
        key_id = jwt.get_unverified_header(token).get("kid")
        # Earlier versions named no key.
        keys = [*self._keys.values()] if key_id is None else [self._keys.get(key_id)]
        for key in filter(None, keys):
            with suppress(jwt.InvalidSignatureError):
                return jwt.decode(
                    token,
                    key,
                    algorithms=[ALGORITHM],
                    issuer=ISSUER,
                    audience=AUDIENCE,
                    # The clock of the replica that issued it may be ahead of ours.
                    options={"require": REQUIRED_CLAIMS, "verify_iat": False},
                )
        raise jwt.InvalidSignatureError


def _key_id(key: str) -> str:
    """Names a key in the header of a token; tells nothing about a random key."""
    return hashlib.sha256(f"kid:{key}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """An opaque token `SESSION.SECRET`: the session is the family that rotation keeps."""

    session_id: UUID
    secret: str

    @classmethod
    def new(cls, session_id: UUID) -> Self:
        """A fresh token of a family."""
        return cls(session_id, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a client's token; raises UnauthorizedError when it has not the form of one."""
        session, _, secret = text.partition(".")
        try:
            return cls(UUID(hex=session), secret)
        except ValueError as error:
            raise UnauthorizedError(
                "The refresh token is not valid.", "refresh_token_invalid"
            ) from error

    def __str__(self) -> str:
        return f"{self.session_id.hex}.{self.secret}"

    @property
    def digest(self) -> str:
        """What is stored of it; the secret has 256 random bits, so a plain hash is enough."""
        return hashlib.sha256(self.secret.encode()).hexdigest()
