"""Bodies of the role routes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.fields import ONE_LINE, Line
from app.role.domain import Permission

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,49}$")]
Description = Annotated[Line, StringConstraints(max_length=200), ONE_LINE]


class RoleRef(BaseModel):
    """A role where another thing names it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str


class RoleOut(RoleRef):
    """A role."""

    description: str
    permissions: list[Permission]
    built_in: bool = Field(description="Whether it came with the system and can't be deleted")
    created_at: datetime
    updated_at: datetime


class RoleList(BaseModel):
    """All roles, by name."""

    items: list[RoleOut]


class RoleCreate(BaseModel):
    """A new role."""

    name: RoleName
    description: Description = ""
    permissions: set[Permission]


class RoleUpdate(BaseModel):
    """What shall change; what is left out stays."""

    name: RoleName | None = None
    description: Description | None = None
    permissions: set[Permission] | None = None


class PermissionOut(BaseModel):
    """A permission that a role may have."""

    name: Permission
    description: str


class PermissionList(BaseModel):
    """All permissions."""

    items: list[PermissionOut]
