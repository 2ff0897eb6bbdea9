"""Setting a password by a mailed link."""

import structlog

from app.audit import service as audit
from app.audit.domain import Event
from app.auth.credentials import CredentialRepository
from app.auth.limits import LoginLimits
from app.core.errors import InvalidError
from app.database import after_commit
from app.mail.domain import MailKind
from app.mail.mailer import hash_token
from app.mail.repository import MailRepository
from app.resources import Resources

log = structlog.get_logger()


class PasswordResets:
    """Asking for a link, and following one."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def ask(self, email: str) -> None:
        """Ask for a mail with a link; does the same whether the account exists or not."""
        email = email.strip().lower()
        await LoginLimits(self._resources).check_reset(email)
        if "\x00" in email:  # nobody has such an address, and PostgreSQL can't store it
            return
        async with self._resources.database.transaction() as session:
            await CredentialRepository(session).delete_link_of(email, MailKind.PASSWORD_RESET)
            await MailRepository(session).add(MailKind.PASSWORD_RESET, email)
            after_commit(session, self._resources.mailer.wake)

    async def confirm(self, token: str, new_password: str) -> None:
        """Set the password and end every session; InvalidError for a link that is no good."""
        token_hash = hash_token(token)
        async with self._resources.database.transaction() as session:
            link = await CredentialRepository(session).find_link(token_hash)
        if link is None:
            raise _invalid_link()
        new_hash = await self._resources.passwords.hash_new(
            new_password, link.email, link.name, "body.new_password"
        )
        invited = link.kind == MailKind.INVITATION
        event = Event.INVITATION_ACCEPTED if invited else Event.PASSWORD_RESET
        async with self._resources.database.transaction() as session:
            credentials = CredentialRepository(session)
            if not await credentials.use_link(token_hash):
                raise _invalid_link()
            await credentials.set_password(link.user_id, new_hash)
            audit.record(session, event, link.user_id, ("user", link.user_id))
            after_commit(session, lambda: self._resources.sessions.forget(link.user_id))
            after_commit(session, self._resources.user_lists.invalidate)
        log.info("auth.password_set_by_link", user_id=str(link.user_id), kind=link.kind)


def _invalid_link() -> InvalidError:
    return InvalidError(
        "The link was used, has expired or is not complete. Ask for a new one.",
        "body.token",
        "link_invalid",
    )
