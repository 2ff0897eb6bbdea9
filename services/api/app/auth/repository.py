"""Queries for signing in."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from app.database import Database
from app.role.models import Role
from app.user.models import User


@dataclass(frozen=True, slots=True)
class Account:
    """A user with their role, as signing in needs it."""

    id: UUID
    email: str
    name: str
    password_hash: str
    is_active: bool
    version: int
    role_id: UUID
    role: str
    permissions: list[str]
    second_factor: bool
    totp_secret: str | None  # encrypted


class AuthRepository:
    """Reads accounts on connections of its own, held no longer than one query."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_by_email(self, email: str) -> Account | None:
        """The account with that address, in any case."""
        # No stored address has a NUL, and PostgreSQL refuses to compare with one.
        if "\x00" in email:
            return None
        return await self._find(func.lower(User.email) == email.lower())

    async def find_by_id(self, user_id: UUID) -> Account | None:
        """The account of a user."""
        return await self._find(User.id == user_id)

    async def _find(self, condition: ColumnElement[bool]) -> Account | None:
        query = (
            select(
                User.id,
                User.email,
                User.name,
                User.password_hash,
                User.is_active,
                User.session_version,
                Role.id,
                Role.name,
                Role.permissions,
                User.second_factor,
                User.totp_secret,
            )
            .join_from(User, Role)
            .where(condition)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return Account(*row) if row else None
