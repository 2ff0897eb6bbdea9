"""Signing in, staying signed in and signing out."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.audit import service as audit
from app.audit.domain import Event
from app.auth.credentials import CredentialRepository
from app.auth.limits import LoginLimits
from app.auth.passwords import is_outdated
from app.auth.repository import Account
from app.auth.schemas import LoginRequest, SessionOut, TokenPair
from app.auth.second_factor import CodeCheck
from app.auth.sessions import Caller, Principal
from app.auth.tokens import ACCESS_TTL_S, RefreshToken
from app.cache import CacheUnavailableError
from app.core.errors import InvalidError, NotFoundError, UnauthorizedError
from app.resources import Resources

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a sign-in gives."""

    tokens: TokenPair
    device: str


class AuthService:
    """Use cases of signing in. Holds no database connection while bcrypt works."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._sessions = resources.sessions
        self._limits = LoginLimits(resources)

    async def login(self, request: LoginRequest, caller: Caller, device: str | None) -> SignedIn:
        """Start a session; UnauthorizedError is the same for every reason but the second factor."""
        await self._limits.check_login(request.email, caller.address, device)
        account = await self._resources.accounts.find_by_email(request.email.strip())
        stored = account.password_hash if account else None
        matches = await self._resources.passwords.verify(request.password, stored)
        if account is None or not matches or not account.is_active:
            await self._refuse(request.email, account)
            raise UnauthorizedError(
                "The e-mail address or the password is wrong.", "invalid_credentials"
            )
        if account.second_factor:
            await self._check_code(account, request.code)
        if is_outdated(account.password_hash):
            await self._renew_hash(account, request.password)
        await self._record(Event.LOGIN, account.id, second_factor=account.second_factor)
        log.info("auth.login", user_id=str(account.id))
        return SignedIn(
            await self._start(account, caller), self._resources.devices.issue(account.email)
        )

    async def refresh(self, text: str) -> TokenPair:
        """Trade a refresh token for a new pair; an old one ends the whole session."""
        presented = RefreshToken.parse(text)
        successor = RefreshToken.new(presented.session_id)
        rotation = await self._sessions.rotate(presented, successor)
        if rotation.outcome == "reused":
            log.warning("auth.refresh_reused", user_id=str(rotation.user_id))
            await self._record(Event.REFRESH_REUSED, None, rotation.user_id)
        if rotation.user_id is None or rotation.version is None:
            raise UnauthorizedError("The refresh token is not valid.", "refresh_token_invalid")
        account = await self._resources.accounts.find_by_id(rotation.user_id)
        if account is None or not account.is_active or account.version != rotation.version:
            await self._sessions.end(presented.session_id)
            raise UnauthorizedError("The session has ended. Sign in again.", "session_ended")
        with suppress(CacheUnavailableError):
            await self._sessions.enlist(account.id, presented.session_id)
        return self._pair(account.id, account.version, successor)

    async def logout(self, principal: Principal, session_id: UUID, text: str | None) -> None:
        """End the session of the access token, and that of a refresh token of the same user."""
        await self._sessions.end(session_id)
        await self._record(Event.LOGOUT, principal.id)
        if not text:
            return
        try:
            other = RefreshToken.parse(text).session_id
        except UnauthorizedError:
            return
        if other != session_id and await self._sessions.owner(other) == principal.id:
            await self._sessions.end(other)

    async def list_sessions(self, principal: Principal, current: UUID) -> Sequence[SessionOut]:
        """Where the user is signed in, last used first."""
        return [
            SessionOut(
                id=item.id,
                created_at=item.created_at,
                last_used_at=item.last_used_at,
                address=item.address,
                user_agent=item.user_agent,
                current=item.id == current,
            )
            for item in await self._sessions.list(principal.id)
            if item.version == principal.version
        ]

    async def end_session(self, principal: Principal, session_id: UUID) -> None:
        """End one of the user's own sessions; else NotFoundError."""
        if await self._sessions.owner(session_id) != principal.id:
            raise NotFoundError("There is no such session.", "session_not_found")
        await self._sessions.end(session_id)
        await self._record(Event.SESSION_ENDED, principal.id)

    async def logout_everywhere(self, principal: Principal) -> None:
        """End every session of the user."""
        async with self._resources.database.transaction() as session:
            await CredentialRepository(session).end_sessions(principal.id)
            audit.record(session, Event.SIGNED_OUT_EVERYWHERE, principal.id, ("user", principal.id))
        await self._sessions.forget(principal.id)

    async def change_password(self, principal: Principal, current: str, new: str) -> None:
        """Set a new password and end every session of the user."""
        await self._limits.check_password(principal)
        account = await self._resources.accounts.find_by_id(principal.id)
        stored = account.password_hash if account else None
        if not await self._resources.passwords.verify(current, stored):
            raise InvalidError(
                "The current password is wrong.", "body.current_password", "wrong_password"
            )
        new_hash = await self._resources.passwords.hash_new(
            new, principal.email, principal.name, "body.new_password"
        )
        async with self._resources.database.transaction() as session:
            await CredentialRepository(session).set_password(principal.id, new_hash)
            audit.record(session, Event.PASSWORD_CHANGED, principal.id, ("user", principal.id))
        await self._sessions.forget(principal.id)
        log.info("auth.password_changed", user_id=str(principal.id))

    async def _check_code(self, account: Account, code: str | None) -> None:
        if code is None:
            raise UnauthorizedError(
                "Send the code of your authenticator app, too.", "second_factor_required"
            )
        await self._limits.check_code(account.id)
        if not await CodeCheck(self._resources).accepts(account, code):
            await self._refuse(account.email, account, reason="second_factor_wrong")
            raise UnauthorizedError("The code is wrong.", "second_factor_wrong")

    async def _refuse(
        self, email: str, account: Account | None, reason: str = "invalid_credentials"
    ) -> None:
        """One row whoever it was, so that the time it takes tells nothing."""
        log.info("auth.login_refused")
        details = {} if account else {"email_hash": audit.digest_of(email)}
        subject_id = account.id if account else None
        await self._record(Event.LOGIN_REFUSED, None, subject_id, reason=reason, **details)

    async def _record(
        self,
        event: Event,
        actor_id: UUID | None,
        subject_id: UUID | None = None,
        **details: Any,  # noqa: ANN401 - whatever JSON can hold
    ) -> None:
        user_id = actor_id or subject_id
        subject = ("user", user_id) if user_id else None
        async with self._resources.database.transaction() as session:
            audit.record(session, event, actor_id, subject, **details)

    async def _renew_hash(self, account: Account, password: str) -> None:
        new_hash = await self._resources.passwords.hash(password)
        async with self._resources.database.transaction() as session:
            await CredentialRepository(session).replace_hash(
                account.id, account.password_hash, new_hash
            )

    async def _start(self, account: Account, caller: Caller) -> TokenPair:
        token = RefreshToken.new(uuid4())
        await self._sessions.start(token, account.id, account.version, caller)
        return self._pair(account.id, account.version, token)

    def _pair(self, user_id: UUID, version: int, refresh_token: RefreshToken) -> TokenPair:
        return TokenPair(
            access_token=self._resources.tokens.issue(user_id, refresh_token.session_id, version),
            refresh_token=str(refresh_token),
            expires_in=ACCESS_TTL_S,
        )
