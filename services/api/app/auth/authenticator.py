"""Turns an access token into the principal that it stands for, right now."""

from contextlib import suppress
from uuid import UUID

from app.auth.repository import AuthRepository
from app.auth.sessions import Principal, SessionStore
from app.auth.tokens import AccessClaims, AccessTokens
from app.cache import CacheUnavailableError
from app.core.errors import UnauthorizedError
from app.telemetry.metrics import UNKNOWN_SESSIONS


class Authenticator:
    """Checks tokens against what is true now: sessions end on the next request."""

    def __init__(
        self, tokens: AccessTokens, sessions: SessionStore, repository: AuthRepository
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._repository = repository

    async def authenticate(self, token: str) -> tuple[Principal, AccessClaims]:
        """Who calls, and with which session; raises UnauthorizedError."""
        claims = self._tokens.verify(token)
        principal = await self._find(claims)
        if principal is None or not principal.is_active or principal.version != claims.version:
            raise UnauthorizedError("The session has ended. Sign in again.", "session_ended")
        return principal, claims

    async def _find(self, claims: AccessClaims) -> Principal | None:
        try:
            known = await self._sessions.look_up(claims.session_id, claims.user_id)
        except CacheUnavailableError:
            # Single sessions can't be checked then; deactivation and new passwords still bite.
            return await self._read(claims.user_id)
        if not known.is_alive:
            UNKNOWN_SESSIONS.inc()
            return None
        if known.principal:
            return known.principal
        principal = await self._read(claims.user_id)
        if principal:
            with suppress(CacheUnavailableError):
                await self._sessions.remember(principal, known.roles_generation)
        return principal

    async def _read(self, user_id: UUID) -> Principal | None:
        account = await self._repository.find_by_id(user_id)
        return Principal.of(account) if account else None
