"""Bodies and queries of the user routes."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from app.auth.domain import NewPassword
from app.core.fields import Email, Name, SearchText
from app.core.pagination import CursorText, Limit
from app.role.schemas import RoleName, RoleRef


class UserOut(BaseModel):
    """A user."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    role: RoleRef
    is_active: bool
    second_factor: bool = Field(description="Whether signing in needs a code, too")
    invited: bool = Field(description="Whether the user has yet to set a password")
    created_at: datetime
    updated_at: datetime


class UserPage(BaseModel):
    """One page of users."""

    items: list[UserOut]
    next_cursor: str | None


class UserCreate(BaseModel):
    """A new user. Without a password they are mailed an invitation to set one."""

    email: Email
    name: Name
    password: NewPassword | None = None
    role: RoleName


class UserUpdate(BaseModel):
    """What shall change; what is left out stays. A new role or password ends all sessions."""

    email: Email | None = None
    name: Name | None = None
    password: NewPassword | None = None
    role: RoleName | None = None


class UserSort(StrEnum):
    """Order of a list of users; `-` means descending."""

    NAME = "name"
    NAME_DESC = "-name"
    EMAIL = "email"
    EMAIL_DESC = "-email"
    CREATED_AT = "created_at"
    CREATED_AT_DESC = "-created_at"


class UserQuery(BaseModel):
    """What a list of users is asked for."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[SearchText | None, Query(description="Part of the name or e-mail address")] = None
    sort: UserSort = UserSort.NAME
    limit: Limit = 50
    cursor: CursorText = None
    is_active: bool | None = None
