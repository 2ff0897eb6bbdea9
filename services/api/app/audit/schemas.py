"""Bodies and queries of the audit log."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from app.audit.domain import Event
from app.core.pagination import Limit


class Actor(BaseModel):
    """Who did it. `email` is null where the user is no longer there."""

    id: UUID
    email: str | None


class Subject(BaseModel):
    """What it was done to."""

    type: str = Field(description="Such as `user`, `role` or `job`")
    id: UUID
    name: str | None = Field(description="The e-mail address of a user who is there; else null")


class AuditEventOut(BaseModel):
    """Something that happened."""

    id: int
    at: datetime
    event: Event
    actor: Actor | None
    subject: Subject | None
    address: str | None
    details: dict[str, Any]


class AuditPage(BaseModel):
    """One page of events, newest first."""

    items: list[AuditEventOut]
    next_cursor: str | None


class AuditQuery(BaseModel):
    """What the audit log is asked for."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    cursor: Annotated[
        str | None,
        Query(pattern=r"^[1-9][0-9]{0,17}$", description="`next_cursor` of the page before"),
    ] = None
    event: Event | None = None
    user_id: Annotated[UUID | None, Query(description="Who did it, or to whom it was done")] = None
