"""Tables of users."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.role.models import Role


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
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
    role: Mapped[Role] = relationship(lazy="joined", innerjoin=True)
    __table_args__ = (
        Index("users_email_key", func.lower(email), unique=True),
        Index("users_name_id_idx", name, id),
        Index("users_created_at_id_idx", created_at, id),
        Index("users_role_id_idx", role_id),
        Index(
            "users_search_idx",
            name,
            email,
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops", "email": "gin_trgm_ops"},
        ),
    )
