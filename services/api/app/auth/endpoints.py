"""Routes of signing in."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response, status

from app.auth.access import CurrentClaims, CurrentPrincipal, client_address, public, signed_in
from app.auth.schemas import LoginRequest, Me, PasswordChange, RefreshRequest, TokenPair
from app.auth.service import AuthService
from app.auth.tokens import REFRESH_TTL_S
from app.core.errors import ForbiddenError, UnauthorizedError
from app.resources import CurrentResources
from app.role.domain import Permission
from app.role.schemas import RoleRef

COOKIE = "refresh_token"
COOKIE_PATH = "/api/v1/auth"

router = APIRouter(prefix="/auth", tags=["auth"])


def _service(resources: CurrentResources) -> AuthService:
    return AuthService(resources)


Service = Annotated[AuthService, Depends(_service)]
OptionalRefresh = Annotated[RefreshRequest | None, Body()]


@router.post("/login", dependencies=[public])
async def login(
    body: LoginRequest,
    request: Request,
    response: Response,
    service: Service,
    resources: CurrentResources,
) -> TokenPair:
    """Sign in with an e-mail address and a password."""
    pair = await service.login(body, client_address(request))
    _set_cookie(response, pair, secure=not resources.settings.development)
    return pair


@router.post("/refresh", dependencies=[public])
async def refresh(
    request: Request,
    response: Response,
    service: Service,
    resources: CurrentResources,
    body: OptionalRefresh = None,
) -> TokenPair:
    """Trade the refresh token of the body, or else of the cookie, for a new pair."""
    token = body.refresh_token if body else None
    if token is None:
        token = _cookie_token(request, resources.settings.frontend_url)
    pair = await service.refresh(token)
    _set_cookie(response, pair, secure=not resources.settings.development)
    return pair


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, dependencies=[signed_in])
async def logout(
    request: Request,
    response: Response,
    service: Service,
    principal: CurrentPrincipal,
    claims: CurrentClaims,
    body: OptionalRefresh = None,
) -> None:
    """End this session: its tokens are refused from now on."""
    token = (body and body.refresh_token) or request.cookies.get(COOKIE)
    await service.logout(principal, claims.session_id, token)
    response.delete_cookie(COOKIE, path=COOKIE_PATH)


@router.get("/me", dependencies=[signed_in])
async def get_me(principal: CurrentPrincipal) -> Me:
    """Who is signed in, and what they may do."""
    return Me(
        id=principal.id,
        email=principal.email,
        name=principal.name,
        role=RoleRef(id=principal.role_id, name=principal.role),
        permissions=[item for item in Permission if item in principal.permissions],
    )


@router.post("/password", status_code=status.HTTP_204_NO_CONTENT, dependencies=[signed_in])
async def change_password(
    body: PasswordChange, response: Response, service: Service, principal: CurrentPrincipal
) -> None:
    """Set a new password; every session of the user ends, this one too."""
    await service.change_password(principal, body.current_password, body.new_password)
    response.delete_cookie(COOKIE, path=COOKIE_PATH)


def _cookie_token(request: Request, frontend_url: str) -> str:
    token = request.cookies.get(COOKIE)
    if not token:
        raise UnauthorizedError("There is no refresh token.", "refresh_token_missing")
    # Browsers send the cookie by themselves, so that the page that asked must be ours.
    if request.headers.get("origin") != frontend_url:
        raise ForbiddenError("The cookie is accepted from the frontend only.", "origin_refused")
    return token


def _set_cookie(response: Response, pair: TokenPair, *, secure: bool) -> None:
    response.set_cookie(
        COOKIE,
        pair.refresh_token,
        max_age=REFRESH_TTL_S,
        path=COOKIE_PATH,
        secure=secure,
        httponly=True,
        samesite="strict",
    )
