"""How often somebody may try to sign in, so that nobody is locked out by somebody else.

| limit                    | of whom                        | who meets it                        |
| ------------------------ | ------------------------------ | ----------------------------------- |
| RATE_LIMIT_LOGIN_ADDRESS | one address                    | everybody there                     |
| RATE_LIMIT_LOGIN         | one address for one account    | everybody there                     |
| RATE_LIMIT_LOGIN_ACCOUNT | all addresses for one account  | only where it never signed in from  |
| RATE_LIMIT_CODE          | codes of one account           | who knows its password              |
"""

from uuid import UUID

from app.audit import service as audit
from app.audit.domain import Event
from app.audit.repository import has_signed_in_from
from app.auth.sessions import Principal
from app.cache import CacheUnavailableError
from app.core.errors import ApiError
from app.core.rate_limit import network_of
from app.resources import Resources

LOCK_REPORT_S = 3600


class LoginLimits:
    """Counts tries; raises a 429 ApiError."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._settings = resources.settings
        self._hit = resources.rate_limiter.hit

    async def check_login(self, email: str, address: str, device: str | None) -> None:
        """One more try to sign in; the route counted it for the address alone."""
        email = email.strip().lower()
        await self._hit(self._settings.rate_limit_login, "login", network_of(address), email)
        if device and self._resources.devices.is_known(device, email):
            return
        try:
            await self._hit(self._settings.rate_limit_login_account, "login-account", email)
        except ApiError:
            await self._record_lock(email)
            if not await self._is_known(email, address):
                raise

    async def check_password(self, principal: Principal) -> None:
        """One more password as proof of somebody who is signed in."""
        await self._hit(self._settings.rate_limit_login, "password", str(principal.id))

    async def check_code(self, user_id: UUID) -> None:
        """One more code of the second factor."""
        await self._hit(self._settings.rate_limit_code, "code", str(user_id))

    async def check_reset(self, email: str) -> None:
        """One more mail to that address."""
        await self._hit(self._settings.rate_limit_reset_email, "reset-email", email)

    async def _is_known(self, email: str, address: str) -> bool:
        if "\x00" in email:
            return False
        async with self._resources.database.read() as connection:
            return await has_signed_in_from(connection, email, address)

    async def _record_lock(self, email: str) -> None:
        """Once in a while: an attack must not fill the log."""
        resources, digest = self._resources, audit.digest_of(email)
        key = f"{resources.cache.prefix}locked:{digest}"
        try:
            first = await resources.cache.run(
                lambda redis: redis.set(key, 1, nx=True, ex=LOCK_REPORT_S)
            )
        except CacheUnavailableError:
            return
        if first:
            async with resources.database.transaction() as session:
                audit.record(session, Event.LOCKED, email_hash=digest)
