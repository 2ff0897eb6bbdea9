"""Routes of roles and permissions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response, status

from app.auth.access import CurrentPrincipal, requires
from app.core.errors import problems
from app.resources import CurrentResources
from app.role.domain import DESCRIPTIONS, Permission
from app.role.schemas import (
    PermissionList,
    PermissionOut,
    RoleCreate,
    RoleList,
    RoleOut,
    RoleUpdate,
)
from app.role.service import RoleService
from app.transaction import Transaction

router = APIRouter(tags=["roles"])


def _service(resources: CurrentResources, session: Transaction) -> RoleService:
    return RoleService(resources, session)


Service = Annotated[RoleService, Depends(_service)]


@router.get("/permissions", dependencies=[requires(Permission.ROLE_READ)])
async def list_permissions() -> PermissionList:
    """All permissions that a role may have."""
    return PermissionList(
        items=[PermissionOut(name=name, description=text) for name, text in DESCRIPTIONS.items()]
    )


@router.get("/roles", dependencies=[requires(Permission.ROLE_READ)])
async def list_roles(service: Service) -> RoleList:
    """All roles, by name."""
    return await service.list()


@router.post(
    "/roles",
    status_code=status.HTTP_201_CREATED,
    responses=problems(409),
    dependencies=[requires(Permission.ROLE_WRITE)],
)
async def create_role(
    body: RoleCreate,
    request: Request,
    response: Response,
    service: Service,
    principal: CurrentPrincipal,
) -> RoleOut:
    """Make a role that may do no more than you."""
    role = await service.create(principal, body)
    response.headers["Location"] = request.app.url_path_for("get_role", role_id=role.id)
    return role


@router.get("/roles/{role_id}", dependencies=[requires(Permission.ROLE_READ)])
async def get_role(role_id: UUID, service: Service) -> RoleOut:
    """One role."""
    return await service.get(role_id)


@router.patch(
    "/roles/{role_id}", responses=problems(409), dependencies=[requires(Permission.ROLE_WRITE)]
)
async def update_role(
    role_id: UUID, body: RoleUpdate, service: Service, principal: CurrentPrincipal
) -> RoleOut:
    """Change a role; its users have the new permissions on their next request."""
    return await service.update(principal, role_id, body)


@router.delete(
    "/roles/{role_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(409),
    dependencies=[requires(Permission.ROLE_WRITE)],
)
async def delete_role(role_id: UUID, service: Service, principal: CurrentPrincipal) -> None:
    """Delete a role that nobody has and that is not built in."""
    await service.delete(principal, role_id)
