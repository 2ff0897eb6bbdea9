"""Bodies of the role routes."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from app.core.fields import ONE_LINE, Line
from app.role.domain import Permission


def _each_once(given: Collection[object], to_set: ValidatorFunctionWrapHandler) -> set[Permission]:
    """Refuse what the document calls no set, and a set would swallow."""
    permissions: set[Permission] = to_set(given)
    if len(permissions) < len(given):
        msg = "Each permission may stand there once."
        raise ValueError(msg)
    return permissions


RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,49}$")]
Description = Annotated[Line, StringConstraints(max_length=200), ONE_LINE]
Permissions = Annotated[set[Permission], WrapValidator(_each_once)]


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
    permissions: Permissions


class RoleUpdate(BaseModel):
    """What shall change; what is left out stays."""

    name: RoleName | None = None
    description: Description | None = None
    permissions: Permissions | None = None


class PermissionOut(BaseModel):
    """A permission that a role may have."""

    name: Permission
    description: str


class PermissionList(BaseModel):
    """All permissions."""

    items: list[PermissionOut]
