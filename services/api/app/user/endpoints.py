"""Routes of users."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response, status

from app.auth.access import CurrentPrincipal, requires
from app.core.errors import problems
from app.resources import CurrentResources
from app.role.domain import Permission
from app.transaction import Transaction
from app.user import service as user_service
from app.user.schemas import UserCreate, UserOut, UserPage, UserQuery, UserUpdate
from app.user.service import UserService

router = APIRouter(prefix="/users", tags=["users"])


def _service(resources: CurrentResources, session: Transaction) -> UserService:
    return UserService(resources, session)


Service = Annotated[UserService, Depends(_service)]


@router.get("", response_model=UserPage, dependencies=[requires(Permission.USER_READ)])
async def list_users(query: Annotated[UserQuery, Query()], resources: CurrentResources) -> Response:
    """A page of users; the header Cache-Status tells whether Redis had it."""
    page, status = await user_service.list_users(resources, query)
    return Response(page, media_type="application/json", headers={"Cache-Status": status})


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems(409),
    dependencies=[requires(Permission.USER_WRITE)],
)
async def create_user(
    body: UserCreate,
    request: Request,
    response: Response,
    service: Service,
    principal: CurrentPrincipal,
) -> UserOut:
    """Make a user whose role may do no more than yours; without a password they get a mail."""
    user = await service.create(principal, body)
    response.headers["Location"] = request.app.url_path_for("get_user", user_id=user.id)
    return user


@router.get("/{user_id}", dependencies=[requires(Permission.USER_READ)])
async def get_user(user_id: UUID, service: Service) -> UserOut:
    """One user."""
    return await service.get(user_id)


@router.patch("/{user_id}", responses=problems(409), dependencies=[requires(Permission.USER_WRITE)])
async def update_user(
    user_id: UUID, body: UserUpdate, service: Service, principal: CurrentPrincipal
) -> UserOut:
    """Change a user; a new role or password ends every session of theirs."""
    return await service.update(principal, user_id, body)


@router.post(
    "/{user_id}/deactivate", responses=problems(409), dependencies=[requires(Permission.USER_WRITE)]
)
async def deactivate_user(user_id: UUID, service: Service, principal: CurrentPrincipal) -> UserOut:
    """Keep a user out and end every session of theirs."""
    return await service.set_active(principal, user_id, active=False)


@router.post("/{user_id}/activate", dependencies=[requires(Permission.USER_WRITE)])
async def activate_user(user_id: UUID, service: Service, principal: CurrentPrincipal) -> UserOut:
    """Let a user in again."""
    return await service.set_active(principal, user_id, active=True)


@router.post(
    "/{user_id}/invite",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems(409),
    dependencies=[requires(Permission.USER_WRITE)],
)
async def invite_user(user_id: UUID, service: Service, principal: CurrentPrincipal) -> None:
    """Mail the invitation again, to a user who has yet to set a password."""
    await service.invite(principal, user_id)


@router.post(
    "/{user_id}/reset-second-factor",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[requires(Permission.USER_WRITE)],
)
async def reset_second_factor(user_id: UUID, service: Service, principal: CurrentPrincipal) -> None:
    """Turn off the second factor of a user who lost it."""
    await service.reset_second_factor(principal, user_id)
