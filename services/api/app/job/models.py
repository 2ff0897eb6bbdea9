"""Tables of jobs, their outbox and idempotency keys."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class Job(Base):
    """Work for the worker. The row is the truth; a message about it only wakes a worker.

    A trigger puts that message into the outbox whenever a job is queued.
    """

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    type: Mapped[str] = mapped_column(Text)
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(Text, server_default="queued")
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    """0 is low, 2 is high."""
    headers: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Trace context of the request that asked for it."""
    progress_done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    progress_total: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    claims: Mapped[int] = mapped_column(server_default=text("0"))
    """How often it was claimed; never set back, so that it orders the files of attempts."""
    worker_losses: Mapped[int] = mapped_column(server_default=text("0"))
    """How often its worker fell silent; from the first on it runs in a process of its own."""
    max_attempts: Mapped[int] = mapped_column(server_default=text("5"))
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    result_days: Mapped[int] = mapped_column(server_default=text("7"))
    """How long the file is kept."""
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    file_deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    error: Mapped[str | None] = mapped_column(Text)
    enqueued_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    """When it is due."""
    woken_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    """When the last message about it was due."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    discarded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(
            "status IN ('queued','running','succeeded','failed','cancelled')",
            name="jobs_status_check",
        ),
        Index("jobs_created_at_id_idx", created_at, id),
        Index("jobs_requested_by_created_at_id_idx", requested_by, created_at, id),
        CheckConstraint("priority BETWEEN 0 AND 2", name="jobs_priority_check"),
        CheckConstraint("result_days > 0", name="jobs_result_days_check"),
        # From here the next job is claimed.
        Index(
            "jobs_queued_idx",
            priority,
            requested_by,
            enqueued_at,
            id,
            postgresql_where=text("status = 'queued'"),
        ),
        # What the sweeper looks at.
        Index(
            "jobs_running_idx",
            lease_expires_at,
            postgresql_where=text("status = 'running'"),
        ),
        Index(
            "jobs_files_idx",
            func.coalesce(expires_at, finished_at),
            postgresql_where=text("file_deleted_at IS NULL"),
        ),
        Index("jobs_finished_at_idx", finished_at),
        Index(
            "jobs_dead_idx",
            created_at,
            id,
            postgresql_where=text("status = 'failed' AND discarded_at IS NULL"),
        ),
    )


class JobTurn(Base):
    """When a user's job was claimed last: those who wait longest go first."""

    __tablename__ = "job_turns"

    requested_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    served_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class OutboxMessage(Base):
    """A message that waits for the broker; deleted once the broker confirmed it."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    routing_key: Mapped[str] = mapped_column(Text)
    message: Mapped[dict[str, Any]] = mapped_column(JSONB)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    available_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        Index("outbox_available_at_id_idx", available_at, id),
        Index("outbox_job_id_idx", job_id),
    )


class IdempotencyKey(Base):
    """Remembers which job an Idempotency-Key of a user made."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(Text)
    job_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index("idempotency_keys_created_at_idx", created_at),)
