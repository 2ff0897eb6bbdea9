"""Signing in, staying signed in and signing out."""

from uuid import UUID, uuid4

import structlog

from app.auth.repository import Account
from app.auth.schemas import LoginRequest, TokenPair
from app.auth.sessions import Principal
from app.auth.tokens import ACCESS_TTL_S, RefreshToken
from app.cache import CacheUnavailableError
from app.core.errors import InvalidError, UnauthorizedError
from app.resources import Resources
from app.user.repository import UserRepository

log = structlog.get_logger()


class AuthService:
    """Use cases of signing in. Holds no database connection while bcrypt works."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._sessions = resources.sessions

    async def login(self, request: LoginRequest, address: str) -> TokenPair:
        """Start a session; UnauthorizedError is the same for every reason not to."""
        await self._limit(request.email, address)
        account = await self._resources.accounts.find_by_email(request.email.strip())
        stored = account.password_hash if account else None
        matches = await self._resources.passwords.verify(request.password, stored)
        if account is None or not matches or not account.is_active:
            log.info("auth.login_refused")
            raise UnauthorizedError(
                "The e-mail address or the password is wrong.", "invalid_credentials"
            )
        log.info("auth.login", user_id=str(account.id))
        return await self._start(account)

    async def refresh(self, text: str) -> TokenPair:
        """Trade a refresh token for a new pair; an old one ends the whole session."""
        presented = RefreshToken.parse(text)
        successor = RefreshToken.new(presented.session_id)
        rotation = await self._sessions.rotate(presented, successor)
        if rotation.outcome == "reused":
            log.warning("auth.refresh_reused", user_id=str(rotation.user_id))
        if rotation.user_id is None or rotation.version is None:
            raise UnauthorizedError("The refresh token is not valid.", "refresh_token_invalid")
        account = await self._resources.accounts.find_by_id(rotation.user_id)
        if account is None or not account.is_active or account.version != rotation.version:
            await self._sessions.revoke(presented.session_id)
            raise UnauthorizedError("The session has ended. Sign in again.", "session_ended")
        return self._pair(account.id, account.version, successor)

    async def logout(self, principal: Principal, session_id: UUID, text: str | None) -> None:
        """End the session of the access token, and that of a refresh token of the same user."""
        await self._sessions.revoke(session_id)
        if not text:
            return
        try:
            other = RefreshToken.parse(text).session_id
        except UnauthorizedError:
            return
        if other != session_id and await self._sessions.owner(other) == principal.id:
            await self._sessions.revoke(other)

    async def change_password(self, principal: Principal, current: str, new: str) -> None:
        """Set a new password and end every session of the user."""
        await self._limit(principal.email, str(principal.id))
        account = await self._resources.accounts.find_by_id(principal.id)
        stored = account.password_hash if account else None
        if not await self._resources.passwords.verify(current, stored):
            raise InvalidError(
                "The current password is wrong.", "body.current_password", "wrong_password"
            )
        new_hash = await self._resources.passwords.hash(new)
        async with self._resources.database.transaction() as session:
            await UserRepository(session).set_password(principal.id, new_hash)
        await self._sessions.forget(principal.id)
        log.info("auth.password_changed", user_id=str(principal.id))

    async def _limit(self, email: str, address: str) -> None:
        limiter, settings = self._resources.rate_limiter, self._resources.settings
        await limiter.hit(settings.rate_limit_login_address, "login-address", address)
        await limiter.hit(settings.rate_limit_login, "login", address, email.strip().lower())

    async def _start(self, account: Account) -> TokenPair:
        token = RefreshToken.new(uuid4())
        try:
            await self._sessions.start(token, account.id, account.version)
        except CacheUnavailableError:
            # The access token works all the same; only the refresh will ask to sign in again.
            log.warning("auth.session_not_stored", user_id=str(account.id))
        return self._pair(account.id, account.version, token)

    def _pair(self, user_id: UUID, version: int, refresh_token: RefreshToken) -> TokenPair:
        return TokenPair(
            access_token=self._resources.tokens.issue(user_id, refresh_token.session_id, version),
            refresh_token=str(refresh_token),
            expires_in=ACCESS_TTL_S,
        )
