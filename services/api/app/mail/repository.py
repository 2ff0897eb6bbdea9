"""Queries for mails."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.context import client_address_var, request_id_var
from app.mail.domain import MailKind
from app.mail.models import Mail
from app.user.models import User


class MailRepository:
    """Mails in PostgreSQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, kind: MailKind, recipient: str) -> None:
        """Ask for a mail, for whoever has that address when it is sent."""
        self._session.add(
            Mail(
                kind=kind.value,
                recipient=recipient,
                address=client_address_var.get() or None,
                request_id=request_id_var.get() or None,
            )
        )
        await self._session.flush()

    async def lock_due(self) -> Mail | None:
        """A mail to be sent now that no other process is sending."""
        due = (
            select(Mail)
            .where(Mail.available_at <= func.now())
            .order_by(Mail.available_at, Mail.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        return await self._session.scalar(due)

    async def find_recipient(self, mail: Mail) -> User | None:
        """The active user whose address it is."""
        return await self._session.scalar(
            select(User).where(func.lower(User.email) == mail.recipient.lower(), User.is_active)
        )

    async def is_too_old(self, mail: Mail, seconds: int) -> bool:
        """Whether the mail waits longer than that, by the database's clock."""
        age = func.extract("epoch", func.now() - Mail.created_at)
        return bool(await self._session.scalar(select(age > seconds).where(Mail.id == mail.id)))

    async def delete(self, mail: Mail) -> None:
        """It was sent, or nobody will get it."""
        await self._session.execute(delete(Mail).where(Mail.id == mail.id))

    async def put_off(self, mail: Mail, error: str, seconds: float) -> None:
        """Try again in that many seconds."""
        await self._session.execute(
            update(Mail)
            .where(Mail.id == mail.id)
            .values(
                attempts=Mail.attempts + 1,
                error=error,
                available_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
            )
        )
