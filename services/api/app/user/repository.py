"""Queries for users."""

import json
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    cast,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.core.pagination import Cursor
from app.role.domain import ADMIN
from app.role.models import Role
from app.user.models import NO_PASSWORD, User
from app.user.schemas import UserQuery

SORT_COLUMNS: dict[str, ColumnElement[str] | ColumnElement[datetime]] = {
    "name": User.name.expression,
    "email": func.lower(User.email),
    "created_at": User.created_at.expression,
}


class UserRepository:
    """Users in PostgreSQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, user_id: UUID, *, for_update: bool = False) -> User | None:
        """The user with that id, locked until the end of the transaction if `for_update`."""
        query = select(User).where(User.id == user_id)
        if for_update:
            query = query.with_for_update(of=User)
        return await self._session.scalar(query)

    async def save(self, user: User) -> User:
        """Write a new or changed user; raises IntegrityError on a taken e-mail address."""
        self._session.add(user)
        await self._session.flush()
        return user

    async def has_other_admin(self, user_id: UUID) -> bool:
        """Whether an active admin other than this user exists.

        Locks the role, so that two admins who remove each other at once wait for one another.
        """
        role_id = await self._session.scalar(
            select(Role.id).where(Role.name == ADMIN).with_for_update()
        )
        others = exists().where(User.role_id == role_id, User.is_active, User.id != user_id)
        return bool(await self._session.scalar(select(others)))


async def read_page(connection: AsyncConnection, query: UserQuery) -> tuple[list[str], str | None]:
    """One page of users, each as JSON text, and the cursor of the next page if there is one.

    PostgreSQL writes the JSON: building rows, models and text here would cost six times as much.
    """
    page = _page(query).subquery("page")
    json_text = cast(func.row_to_json(page.table_valued()), Text)
    users = list((await connection.scalars(select(json_text))).all())
    if len(users) <= query.limit:
        return users, None
    last = json.loads(users[query.limit - 1])
    cursor = Cursor(query.sort, last[query.sort.lstrip("-")], UUID(last["id"]))
    return users[: query.limit], cursor.encode()


def _page(query: UserQuery) -> Select[tuple[object, ...]]:
    """The rows of the page and one more, which tells whether there is a next page."""
    column = SORT_COLUMNS[query.sort.lstrip("-")]
    descending = query.sort.startswith("-")
    order = [part.desc() if descending else part.asc() for part in (column, User.id)]
    role = select(Role.id, Role.name).subquery("role")
    rows = (
        select(
            User.id,
            User.email,
            User.name,
            func.row_to_json(role.table_valued()).label("role"),
            User.is_active,
            User.second_factor,
            (User.password_hash == NO_PASSWORD).label("invited"),
            User.created_at,
            User.updated_at,
        )
        .join_from(User, role, User.role_id == role.c.id)
        .order_by(*order)
        .limit(query.limit + 1)
    )
    if query.q:
        rows = rows.where(
            User.name.icontains(query.q, autoescape=True)
            | User.email.icontains(query.q, autoescape=True)
        )
    if query.is_active is not None:
        rows = rows.where(User.is_active == query.is_active)
    if query.cursor:
        rows = rows.where(_after(Cursor.decode(query.cursor, query.sort), column, descending))
    return rows


def _after(
    cursor: Cursor, column: ColumnElement[str] | ColumnElement[datetime], descending: bool
) -> ColumnElement[bool]:
    is_time = cursor.sort.lstrip("-") == "created_at"
    value = datetime.fromisoformat(cursor.value) if is_time else cursor.value
    place = tuple_(literal(value, column.type), literal(cursor.id))
    row = tuple_(column, User.id)
    return row < place if descending else row > place
