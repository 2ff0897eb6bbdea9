"""Tables of users."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Text,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.role.models import Role

# No hash looks like this, so that no password matches: who was invited has yet to set one.
NO_PASSWORD = "!invited"  # noqa: S105 - stands for there being none


class User(Base):
    """Somebody who may sign in. `email` is stored in lower case."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    # Access tokens carry it; raising it ends every session of the user.
    session_version: Mapped[int] = mapped_column(server_default=text("1"))
    second_factor: Mapped[bool] = mapped_column(server_default=text("false"))
    # Encrypted; without second_factor it waits to be confirmed.
    totp_secret: Mapped[str | None] = mapped_column(Text)
    # Time step of the last code that was accepted: each is accepted once.
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
    role: Mapped[Role] = relationship(lazy="joined", innerjoin=True)

    @property
    def invited(self) -> bool:
        """Whether the user has yet to set a password."""
        return self.password_hash == NO_PASSWORD

    __table_args__ = (
        CheckConstraint(
            "NOT second_factor OR totp_secret IS NOT NULL", name="users_second_factor_check"
        ),
        Index("users_email_key", func.lower(email), unique=True),
        Index("users_name_id_idx", name, id),
        Index("users_created_at_id_idx", created_at, id),
        Index("users_role_id_idx", role_id),
        Index(
            "users_email_search_idx",
            email,
            postgresql_using="gin",
            postgresql_ops={"email": "gin_trgm_ops"},
        ),
        Index(
            "users_name_search_idx",
            name,
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops"},
        ),
    )
