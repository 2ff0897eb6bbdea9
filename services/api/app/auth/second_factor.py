"""The second factor: turning it on and off, and checking codes."""

from app.audit import service as audit
from app.audit.domain import Event
from app.auth.credentials import CredentialRepository
from app.auth.limits import LoginLimits
from app.auth.repository import Account
from app.auth.schemas import SecondFactorSecret
from app.auth.sessions import Principal
from app.auth.totp import hash_recovery_code, is_totp, new_recovery_codes, normalise
from app.core.errors import ConflictError, InvalidError, UnauthorizedError
from app.database import after_commit
from app.resources import Resources


class CodeCheck:
    """Checks codes of users whose second factor is on."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def accepts(self, account: Account, code: str) -> bool:
        """Whether the code is right, and was not used before; it is used up by that."""
        code = normalise(code)
        if is_totp(code) and account.totp_secret:
            step = self._resources.second_factors.matching_step(account.totp_secret, code)
            return step is not None and await self._use_step(account, step)
        return await self._use_recovery_code(account, code)

    async def _use_step(self, account: Account, step: int) -> bool:
        async with self._resources.database.transaction() as session:
            return await CredentialRepository(session).use_step(account.id, step)

    async def _use_recovery_code(self, account: Account, code: str) -> bool:
        async with self._resources.database.transaction() as session:
            used = await CredentialRepository(session).use_recovery_code(
                account.id, hash_recovery_code(code)
            )
            if used:
                audit.record(session, Event.RECOVERY_CODE_USED, account.id, ("user", account.id))
        return used


class SecondFactorService:
    """What a user may do with their own second factor."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._limits = LoginLimits(resources)

    async def begin(self, principal: Principal) -> SecondFactorSecret:
        """A new secret, which waits to be confirmed; ConflictError where the factor is on."""
        secret = self._resources.second_factors.new_secret(principal.email)
        async with self._resources.database.transaction() as session:
            begun = await CredentialRepository(session).begin_second_factor(
                principal.id, secret.encrypted
            )
        if not begun:
            raise ConflictError("The second factor is on already.", "second_factor_on")
        return SecondFactorSecret(secret=secret.plain, uri=secret.uri)

    async def confirm(self, principal: Principal, code: str) -> list[str]:
        """Turn the factor on; returns the recovery codes, of which only hashes are kept."""
        await self._limits.check_code(principal.id)
        account = await self._account(principal)
        if account.second_factor or account.totp_secret is None:
            raise ConflictError("Begin with a new secret.", "second_factor_not_begun")
        step = self._resources.second_factors.matching_step(account.totp_secret, normalise(code))
        if step is None:
            raise _wrong_code()
        codes = new_recovery_codes()
        async with self._resources.database.transaction() as session:
            credentials = CredentialRepository(session)
            if not await credentials.confirm_second_factor(principal.id, account.totp_secret, step):
                raise ConflictError("Begin with a new secret.", "second_factor_not_begun")
            await credentials.replace_recovery_codes(
                principal.id, [hash_recovery_code(item) for item in codes]
            )
            audit.record(session, Event.SECOND_FACTOR_ON, principal.id, ("user", principal.id))
            after_commit(session, self._resources.user_lists.invalidate)
            after_commit(session, lambda: self._resources.sessions.forget(principal.id))
        return codes

    async def remove(self, principal: Principal, password: str, code: str) -> None:
        """Turn the factor off; InvalidError unless both the password and the code are right."""
        await self._limits.check_password(principal)
        await self._limits.check_code(principal.id)
        account = await self._account(principal)
        if not account.second_factor:
            raise ConflictError("The second factor is off.", "second_factor_off")
        if not await self._resources.passwords.verify(password, account.password_hash):
            raise InvalidError("The password is wrong.", "body.password", "wrong_password")
        if not await CodeCheck(self._resources).accepts(account, code):
            raise _wrong_code()
        async with self._resources.database.transaction() as session:
            await CredentialRepository(session).remove_second_factor(principal.id)
            audit.record(session, Event.SECOND_FACTOR_OFF, principal.id, ("user", principal.id))
            after_commit(session, self._resources.user_lists.invalidate)
            after_commit(session, lambda: self._resources.sessions.forget(principal.id))

    async def _account(self, principal: Principal) -> Account:
        account = await self._resources.accounts.find_by_id(principal.id)
        if account is None:
            raise UnauthorizedError("The session has ended. Sign in again.", "session_ended")
        return account


def _wrong_code() -> InvalidError:
    return InvalidError("The code is wrong.", "body.code", "second_factor_wrong")
