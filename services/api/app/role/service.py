"""Use cases of roles."""

from collections.abc import Set as AbstractSet
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import service as audit
from app.audit.domain import Event
from app.auth.sessions import Principal
from app.core.errors import ConflictError, ForbiddenError, NotFoundError
from app.database import after_commit
from app.resources import Resources
from app.role.domain import ADMIN, BUILT_IN_ROLES, may_grant
from app.role.models import Role
from app.role.repository import RoleRepository
from app.role.schemas import RoleCreate, RoleList, RoleOut, RoleUpdate


class RoleService:
    """What may be done with roles."""

    def __init__(self, resources: Resources, session: AsyncSession) -> None:
        self._resources = resources
        self._session = session
        self._roles = RoleRepository(session)

    async def list(self) -> RoleList:
        """All roles, by name."""
        return RoleList(items=[_out(role) for role in await self._roles.list()])

    async def get(self, role_id: UUID) -> RoleOut:
        """One role; raises NotFoundError."""
        return _out(await self._find(role_id))

    async def create(self, actor: Principal, body: RoleCreate) -> RoleOut:
        """Make a role that may do no more than the actor; ConflictError on a taken name."""
        _check_grant(actor, body.permissions)
        role = Role(
            name=body.name, description=body.description, permissions=sorted(body.permissions)
        )
        created = await self._save(role)
        self._record(Event.ROLE_CREATED, actor, role)
        return created

    async def update(self, actor: Principal, role_id: UUID, body: RoleUpdate) -> RoleOut:
        """Change a role; its users have the new permissions on their next request."""
        role = await self._find(role_id)
        if body.name and body.name != role.name and role.name in BUILT_IN_ROLES:
            raise ConflictError("A built-in role keeps its name.", "role_built_in")
        role.name = body.name or role.name
        role.description = role.description if body.description is None else body.description
        if body.permissions is not None and body.permissions != set(role.permissions):
            self._set_permissions(actor, role, body.permissions)
        after_commit(self._session, self._resources.sessions.forget_roles)
        after_commit(self._session, self._resources.user_lists.invalidate)
        self._record(Event.ROLE_CHANGED, actor, role)
        return await self._save(role)

    async def delete(self, actor: Principal, role_id: UUID) -> None:
        """Delete a role that nobody has and that is not built in; else ConflictError."""
        role = await self._find(role_id)
        if role.name in BUILT_IN_ROLES:
            raise ConflictError("A built-in role can't be deleted.", "role_built_in")
        try:
            await self._roles.delete(role)
        except IntegrityError as error:
            raise ConflictError("Some users still have this role.", "role_in_use") from error
        self._record(Event.ROLE_DELETED, actor, role)

    def _record(self, event: Event, actor: Principal, role: Role) -> None:
        audit.record(
            self._session,
            event,
            actor.id,
            ("role", role.id),
            name=role.name,
            permissions=list(role.permissions),
        )

    def _set_permissions(self, actor: Principal, role: Role, permissions: AbstractSet[str]) -> None:
        if role.name == ADMIN:
            raise ConflictError(f"The role {ADMIN} may always do everything.", "role_built_in")
        _check_grant(actor, permissions ^ set(role.permissions))
        role.permissions = sorted(permissions)

    async def _find(self, role_id: UUID) -> Role:
        role = await self._roles.find(role_id)
        if role is None:
            raise NotFoundError("There is no such role.", "role_not_found")
        return role

    async def _save(self, role: Role) -> RoleOut:
        try:
            return _out(await self._roles.save(role))
        except IntegrityError as error:
            raise ConflictError("There is a role of that name already.", "role_taken") from error


def _check_grant(actor: Principal, permissions: AbstractSet[str]) -> None:
    if not may_grant(actor.permissions, permissions):
        raise ForbiddenError(
            "You can't give or take away a permission that you lack.", "role_exceeds_yours"
        )


def _out(role: Role) -> RoleOut:
    return RoleOut(
        id=role.id,
        name=role.name,
        description=role.description,
        permissions=role.permissions,
        built_in=role.name in BUILT_IN_ROLES,
        created_at=role.created_at,
        updated_at=role.updated_at,
    )
