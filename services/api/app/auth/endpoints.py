"""Routes of signing in."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Request, Response, status

from app.auth.access import (
    CurrentCaller,
    CurrentClaims,
    CurrentPrincipal,
    public,
    public_with_limit,
    signed_in,
)
from app.auth.devices import DEVICE_TTL_S
from app.auth.recovery import PasswordResets
from app.auth.schemas import (
    LoginRequest,
    Me,
    PasswordChange,
    PasswordResetConfirm,
    PasswordResetRequest,
    RecoveryCodes,
    RefreshRequest,
    SecondFactorCode,
    SecondFactorRemoval,
    SecondFactorSecret,
    SessionList,
    TokenPair,
)
from app.auth.second_factor import SecondFactorService
from app.auth.service import AuthService
from app.auth.tokens import REFRESH_TTL_S
from app.core.errors import ForbiddenError, UnauthorizedError, problems
from app.resources import CurrentResources
from app.role.domain import Permission
from app.role.schemas import RoleRef

COOKIE = "refresh_token"
COOKIE_PATH = "/api/v1/auth"
DEVICE_COOKIE = "device"
DEVICE_COOKIE_PATH = "/api/v1/auth/login"

router = APIRouter(prefix="/auth", tags=["auth"])


def _service(resources: CurrentResources) -> AuthService:
    return AuthService(resources)


def _second_factors(resources: CurrentResources) -> SecondFactorService:
    return SecondFactorService(resources)


def _resets(resources: CurrentResources) -> PasswordResets:
    return PasswordResets(resources)


Service = Annotated[AuthService, Depends(_service)]
SecondFactors = Annotated[SecondFactorService, Depends(_second_factors)]
Resets = Annotated[PasswordResets, Depends(_resets)]
OptionalRefresh = Annotated[RefreshRequest | None, Body()]


@router.post("/login", responses=problems(401), dependencies=[public_with_limit("login_address")])
async def login(
    body: LoginRequest,
    request: Request,
    response: Response,
    service: Service,
    caller: CurrentCaller,
    resources: CurrentResources,
) -> TokenPair:
    """Sign in with an e-mail address and a password, and a code where the second factor is on."""
    secure = not resources.settings.development
    signed_in = await service.login(body, caller, request.cookies.get(DEVICE_COOKIE))
    _set_cookie(response, signed_in.tokens, secure=secure)
    _set_device_cookie(response, signed_in.device, secure=secure)
    return signed_in.tokens


@router.post("/refresh", responses=problems(401, 403), dependencies=[public])
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
        second_factor=principal.second_factor,
    )


@router.get("/sessions", dependencies=[signed_in])
async def list_sessions(
    service: Service, principal: CurrentPrincipal, claims: CurrentClaims
) -> SessionList:
    """Where you are signed in, last used first."""
    sessions = await service.list_sessions(principal, claims.session_id)
    return SessionList(items=[*sessions])


@router.delete(
    "/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[signed_in]
)
async def end_session(session_id: UUID, service: Service, principal: CurrentPrincipal) -> None:
    """End a session of yours: its tokens are refused from now on."""
    await service.end_session(principal, session_id)


@router.post("/logout-everywhere", status_code=status.HTTP_204_NO_CONTENT, dependencies=[signed_in])
async def logout_everywhere(
    response: Response, service: Service, principal: CurrentPrincipal
) -> None:
    """End every session of yours, this one too."""
    await service.logout_everywhere(principal)
    response.delete_cookie(COOKIE, path=COOKIE_PATH)


@router.post("/password", status_code=status.HTTP_204_NO_CONTENT, dependencies=[signed_in])
async def change_password(
    body: PasswordChange,
    response: Response,
    service: Service,
    principal: CurrentPrincipal,
) -> None:
    """Set a new password; every session of the user ends, this one too."""
    await service.change_password(principal, body.current_password, body.new_password)
    response.delete_cookie(COOKIE, path=COOKIE_PATH)


@router.post(
    "/password-reset",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[public_with_limit("reset")],
)
async def request_password_reset(body: PasswordResetRequest, resets: Resets) -> None:
    """Ask for a mail with a link that sets a password; the answer tells nothing of the account."""
    await resets.ask(body.email)


@router.post(
    "/password-reset/confirm",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[public_with_limit("reset")],
)
async def confirm_password_reset(
    body: PasswordResetConfirm, response: Response, resets: Resets
) -> None:
    """Set the password by a mailed link, of an invitation too; every session of the user ends."""
    await resets.confirm(body.token, body.new_password)
    response.delete_cookie(COOKIE, path=COOKIE_PATH)


@router.post("/totp", responses=problems(409), dependencies=[signed_in])
async def begin_second_factor(
    second_factors: SecondFactors, principal: CurrentPrincipal
) -> SecondFactorSecret:
    """A secret for an authenticator app; nothing changes until a code of it is confirmed."""
    return await second_factors.begin(principal)


@router.post("/totp/confirm", responses=problems(409), dependencies=[signed_in])
async def confirm_second_factor(
    body: SecondFactorCode, second_factors: SecondFactors, principal: CurrentPrincipal
) -> RecoveryCodes:
    """Turn the second factor on; the recovery codes are told this one time."""
    return RecoveryCodes(recovery_codes=await second_factors.confirm(principal, body.code))


@router.delete(
    "/totp",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(409),
    dependencies=[signed_in],
)
async def remove_second_factor(
    body: SecondFactorRemoval,
    second_factors: SecondFactors,
    principal: CurrentPrincipal,
) -> None:
    """Turn the second factor off."""
    await second_factors.remove(principal, body.password, body.code)


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


def _set_device_cookie(response: Response, device: str, *, secure: bool) -> None:
    response.set_cookie(
        DEVICE_COOKIE,
        device,
        max_age=DEVICE_TTL_S,
        path=DEVICE_COOKIE_PATH,
        secure=secure,
        httponly=True,
        samesite="strict",
    )
