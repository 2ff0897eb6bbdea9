"""Queries of the audit log."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.audit.domain import Event
from app.audit.models import AuditEvent
from app.audit.schemas import AuditQuery
from app.user.models import User

Actor, Subject = aliased(User), aliased(User)


async def read_page(connection: AsyncConnection, query: AuditQuery) -> Sequence[Row[Any]]:
    """The events of a page, newest first, and one more if there are more."""
    rows = (
        select(
            AuditEvent.id,
            AuditEvent.at,
            AuditEvent.event,
            AuditEvent.actor_id,
            Actor.email.label("actor_email"),
            AuditEvent.subject_type,
            AuditEvent.subject_id,
            Subject.email.label("subject_name"),
            AuditEvent.address,
            AuditEvent.details,
        )
        .outerjoin(Actor, Actor.id == AuditEvent.actor_id)
        .outerjoin(Subject, Subject.id == AuditEvent.subject_id)
        .order_by(AuditEvent.id.desc())
        .limit(query.limit + 1)
    )
    if query.event:
        rows = rows.where(AuditEvent.event == query.event)
    if query.user_id:
        rows = rows.where(_is_about(query.user_id))
    if query.cursor:
        rows = rows.where(AuditEvent.id < int(query.cursor))
    return (await connection.execute(rows)).all()


def _is_about(user_id: UUID) -> Any:  # noqa: ANN401 - a condition
    return or_(AuditEvent.actor_id == user_id, AuditEvent.subject_id == user_id)


async def has_signed_in_from(connection: AsyncConnection, email: str, address: str) -> bool:
    """Whether the account of that e-mail address ever signed in from that network address."""
    login = exists().where(
        AuditEvent.event == Event.LOGIN.value,
        AuditEvent.actor_id == User.id,
        AuditEvent.address == address,
        func.lower(User.email) == email,
    )
    return bool(await connection.scalar(select(login)))
