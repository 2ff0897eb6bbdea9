"""Writing and reading the audit log."""

import hashlib
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.audit.domain import Event
from app.audit.models import AuditEvent
from app.audit.repository import read_page
from app.audit.schemas import Actor, AuditEventOut, AuditPage, AuditQuery, Subject
from app.core.context import client_address_var, request_id_var


def record(
    session: AsyncSession,
    event: Event,
    actor_id: UUID | None = None,
    subject: tuple[str, UUID] | None = None,
    **details: Any,  # noqa: ANN401 - whatever JSON can hold; never a secret
) -> None:
    """Add an event of this request to the transaction: both happen, or neither does.

    `subject` is the type and id of what it happened to.
    """
    subject_type, subject_id = subject or (None, None)
    session.add(
        AuditEvent(
            event=event.value,
            actor_id=actor_id,
            subject_type=subject_type,
            subject_id=subject_id,
            address=client_address_var.get() or None,
            request_id=request_id_var.get() or None,
            details=details,
        )
    )


def digest_of(email: str) -> str:
    """Stands for an address that may be nobody's, so that the log collects no strangers'."""
    return hashlib.sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()[:16]


async def list_events(connection: AsyncConnection, query: AuditQuery) -> AuditPage:
    """A page of events, newest first."""
    rows = await read_page(connection, query)
    shown = rows[: query.limit]
    return AuditPage(
        items=[
            AuditEventOut(
                id=row.id,
                at=row.at,
                event=Event(row.event),
                actor=Actor(id=row.actor_id, email=row.actor_email) if row.actor_id else None,
                subject=Subject(type=row.subject_type, id=row.subject_id, name=row.subject_name)
                if row.subject_type and row.subject_id
                else None,
                address=row.address,
                details=row.details,
            )
            for row in shown
        ],
        next_cursor=str(shown[-1].id) if len(rows) > query.limit else None,
    )
