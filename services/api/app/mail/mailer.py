"""Sends the mails that wait. Any number of mailers may run: SKIP LOCKED shares the rows.

The token of a link is made here, and only its hash is stored: before the mail leaves, so that who
follows the link at once is let in. The row of the mail is deleted afterwards. Whatever dies in
between sends the mail again, with a link that replaces the first.
"""

import asyncio
import hashlib
import secrets
from contextlib import suppress
from email.errors import MessageError

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.domain import Event
from app.audit.models import AuditEvent
from app.audit.service import digest_of
from app.auth.credentials import CredentialRepository
from app.database import Database, is_outage
from app.mail import smtp
from app.mail.domain import LIFETIMES, MailKind, compose
from app.mail.models import Mail
from app.mail.repository import MailRepository
from app.settings import Settings
from app.telemetry.tracing import Telemetry
from app.user.models import User

POLL_S = 1.0
TOKEN_BYTES = 32
GIVE_UP_S = 3600
MIN_BACKOFF_S = 5.0
MAX_BACKOFF_S = 300.0

log = structlog.get_logger()


def hash_token(token: str) -> str:
    """What is stored of a link's token: 256 random bits, so that a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


class Mailer:
    """Sends what is due, woken by requests of its own process and every POLL_S seconds."""

    def __init__(self, settings: Settings, database: Database, telemetry: Telemetry) -> None:
        self._settings = settings
        self._database = database
        self._telemetry = telemetry
        self._wake = asyncio.Event()

    async def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; survives outages of the database and of the mail server."""
        while True:
            try:
                self._wake.clear()
                while await self.send_next():
                    pass
            except Exception as error:
                if is_outage(error):
                    log.warning("mailer.unavailable", error=type(error).__name__)
                else:
                    log.exception("mailer.failed")
                await asyncio.sleep(POLL_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()

    async def send_next(self) -> bool:
        """Send a mail that is due, if there is one; whether there was."""
        with self._telemetry.turn("send mail") as turn:
            async with self._database.transaction() as session:
                mail = await MailRepository(session).lock_due()
                turn.found = mail is not None
                if mail:
                    await self._handle(session, mail)
        return turn.found

    async def _handle(self, session: AsyncSession, mail: Mail) -> None:
        mails = MailRepository(session)
        user = await mails.find_recipient(mail)
        if mail.attempts == 0 and mail.kind == MailKind.PASSWORD_RESET:
            _record(session, Event.RESET_REQUESTED, mail, user)
        if user is None:
            await mails.delete(mail)
        elif not self._settings.smtp_address:
            log.warning("mail.off", kind=mail.kind, hint="set SMTP_ADDRESS")
            await mails.delete(mail)
        else:
            await self._send(session, mail, user)

    async def _send(self, session: AsyncSession, mail: Mail, user: User) -> None:
        mails, kind = MailRepository(session), MailKind(mail.kind)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        settings = self._settings
        async with self._database.transaction() as own:
            await CredentialRepository(own).put_link(
                user.id, kind.value, hash_token(token), LIFETIMES[kind]
            )
        try:
            message = compose(
                kind, settings.sender, user.email, user.name, token, settings.frontend_url
            )
            await smtp.send(settings, message)
        except (smtp.MailError, MessageError, ValueError) as error:
            await self._put_off(session, mail, user, str(error))
            return
        await mails.delete(mail)
        log.info("mail.sent", kind=mail.kind, user_id=str(user.id))

    async def _put_off(self, session: AsyncSession, mail: Mail, user: User, why: str) -> None:
        mails = MailRepository(session)
        if await mails.is_too_old(mail, GIVE_UP_S):
            log.error("mail.dropped", kind=mail.kind, user_id=str(user.id), error=why)
            _record(session, Event.MAIL_DROPPED, mail, user)
            await mails.delete(mail)
            return
        delay = min(MIN_BACKOFF_S * 2**mail.attempts, MAX_BACKOFF_S)
        log.warning("mail.failed", kind=mail.kind, attempt=mail.attempts + 1, error=why)
        await mails.put_off(mail, why, delay)


def _record(session: AsyncSession, event: Event, mail: Mail, user: User | None) -> None:
    """An event of the request that asked for the mail, which is over."""
    details = {"kind": mail.kind} if user else {"email_hash": digest_of(mail.recipient)}
    session.add(
        AuditEvent(
            event=event.value,
            subject_type="user" if user else None,
            subject_id=user.id if user else None,
            address=mail.address,
            request_id=mail.request_id,
            details=details,
        )
    )
