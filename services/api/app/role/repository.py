"""Queries for roles."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.role.models import Role


class RoleRepository:
    """Roles in PostgreSQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list(self) -> Sequence[Role]:
        """All roles, by name."""
        return (await self._session.scalars(select(Role).order_by(Role.name))).all()

    async def find(self, role_id: UUID) -> Role | None:
        """The role with that id."""
        return await self._session.get(Role, role_id)

    async def find_by_name(self, name: str) -> Role | None:
        """The role with that name."""
        return await self._session.scalar(select(Role).where(Role.name == name))

    async def save(self, role: Role) -> Role:
        """Write a new or changed role; raises IntegrityError on a taken name."""
        self._session.add(role)
        await self._session.flush()
        return role

    async def delete(self, role: Role) -> None:
        """Delete a role; raises IntegrityError while users have it."""
        await self._session.delete(role)
        await self._session.flush()
