"""Queries that change what proves who somebody is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import CursorResult, Select, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import Delete, Update

from app.auth.models import OneTimeLink, RecoveryCode
from app.user.models import User


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may still be followed, and whose it is."""

    kind: str
    user_id: UUID
    email: str
    name: str


class CredentialRepository:
    """Passwords, second factors and one-time links in PostgreSQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        """Store a new password; every session and link of the user ends."""
        await self._session.execute(
            update(User)
            .where(User.id == user_id)
            .values(password_hash=password_hash, session_version=User.session_version + 1)
        )
        await self.delete_links(user_id)

    async def replace_hash(self, user_id: UUID, old: str, new: str) -> None:
        """Store another hash of the same password, unless it changed meanwhile."""
        await self._session.execute(
            _quietly(user_id).where(User.password_hash == old).values(password_hash=new)
        )

    async def end_sessions(self, user_id: UUID) -> None:
        """Refuse every token that the user has."""
        await self._session.execute(
            _quietly(user_id).values(session_version=User.session_version + 1)
        )

    async def begin_second_factor(self, user_id: UUID, secret: str) -> bool:
        """Store a secret that waits to be confirmed; False where the factor is on already."""
        return await self._changed(
            _quietly(user_id)
            .where(~User.second_factor)
            .values(totp_secret=secret, totp_last_step=None)
        )

    async def confirm_second_factor(self, user_id: UUID, secret: str, step: int) -> bool:
        """Turn the factor on; False unless that very secret still waits."""
        return await self._changed(
            update(User)
            .where(User.id == user_id, ~User.second_factor, User.totp_secret == secret)
            .values(second_factor=True, totp_last_step=step)
        )

    async def remove_second_factor(self, user_id: UUID) -> None:
        """Turn the factor off, with its recovery codes."""
        await self._session.execute(
            update(User)
            .where(User.id == user_id)
            .values(second_factor=False, totp_secret=None, totp_last_step=None)
        )
        await self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))

    async def use_step(self, user_id: UUID, step: int) -> bool:
        """Accept the code of a time step; False if it, or a later one, was accepted before."""
        unused = or_(User.totp_last_step.is_(None), User.totp_last_step < step)
        return await self._changed(
            _quietly(user_id).where(User.second_factor, unused).values(totp_last_step=step)
        )

    async def replace_recovery_codes(self, user_id: UUID, hashes: Sequence[str]) -> None:
        """Store these recovery codes and no others."""
        await self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        rows = [{"user_id": user_id, "code_hash": item} for item in hashes]
        await self._session.execute(insert(RecoveryCode), rows)

    async def use_recovery_code(self, user_id: UUID, code_hash: str) -> bool:
        """Use up a recovery code; False if there is none such."""
        return await self._changed(
            delete(RecoveryCode).where(
                RecoveryCode.user_id == user_id, RecoveryCode.code_hash == code_hash
            )
        )

    async def put_link(
        self, user_id: UUID, kind: str, token_hash: str, lifetime: timedelta
    ) -> None:
        """Store a link; it replaces the one of that kind."""
        values = {"token_hash": token_hash, "expires_at": func.now() + lifetime}
        await self._session.execute(
            upsert(OneTimeLink)
            .values(user_id=user_id, kind=kind, **values)
            .on_conflict_do_update(index_elements=["user_id", "kind"], set_=values)
        )

    async def find_link(self, token_hash: str) -> Link | None:
        """The link, while it may be followed."""
        row = (await self._session.execute(_valid_link(token_hash))).one_or_none()
        return Link(row.kind, row.id, row.email, row.name) if row else None

    async def use_link(self, token_hash: str) -> bool:
        """Use up a link; False if it may not be followed any more."""
        row = (
            await self._session.execute(_valid_link(token_hash).with_for_update(of=OneTimeLink))
        ).one_or_none()
        if row is None:
            return False
        await self._session.execute(delete(OneTimeLink).where(OneTimeLink.token_hash == token_hash))
        return True

    async def delete_link_of(self, email: str, kind: str) -> None:
        """Make the link of that kind useless, if the account of that address has one."""
        owner = select(User.id).where(func.lower(User.email) == email).scalar_subquery()
        await self._session.execute(
            delete(OneTimeLink).where(OneTimeLink.user_id == owner, OneTimeLink.kind == kind)
        )

    async def delete_links(self, user_id: UUID) -> None:
        """Make every link of the user useless."""
        await self._session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user_id))

    async def _changed(self, statement: Update | Delete) -> bool:
        result = await self._session.execute(statement)
        return isinstance(result, CursorResult) and result.rowcount == 1


def _quietly(user_id: UUID) -> Update:
    """A change of a user that nobody sees in the list of users."""
    return update(User).where(User.id == user_id).values(updated_at=User.updated_at)


def _valid_link(token_hash: str) -> Select[str, UUID, str, str]:
    return (
        select(OneTimeLink.kind, User.id, User.email, User.name)
        .join_from(OneTimeLink, User)
        .where(
            OneTimeLink.token_hash == token_hash,
            OneTimeLink.expires_at > func.now(),
            User.is_active,
        )
    )
