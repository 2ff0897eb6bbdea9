"""Who may call a route.

Each route declares exactly one of `public`, `signed_in`, `requires(…)` and `probe`: the last is for
health checks, which everybody may ask at any rate.
"""

from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.params import Depends as DependsMarker

from app.auth.sessions import Principal
from app.auth.tokens import AccessClaims
from app.core.errors import ForbiddenError, UnauthorizedError
from app.resources import Resources, get_resources
from app.role.domain import Permission


class Access:
    """A dependency that lets the right callers in, each at a bearable rate."""

    def __init__(self, name: str, permission: Permission | None = None) -> None:
        self.name = name  # "public", "signed-in", "probe" or the permission
        self.permission = permission

    async def __call__(self, request: Request) -> None:
        """Refuse with 401, 403 or 429; leave the principal in `request.state`."""
        if self.name == "probe":
            return
        resources = get_resources(request)
        if self.name == "public":
            await _limit(resources, client_address(request))
            return
        principal, claims = await resources.authenticator.authenticate(bearer_token(request))
        await _limit(resources, str(principal.id))
        if self.permission and self.permission not in principal.permissions:
            raise ForbiddenError(f"You need the permission {self.permission}.")
        request.state.principal = principal
        request.state.claims = claims


def requires(permission: Permission) -> DependsMarker:
    """Declare that a route needs a permission."""
    return _depends(Access(permission.value, permission))


def _depends(access: Access) -> DependsMarker:
    return cast("DependsMarker", Depends(access))


probe = _depends(Access("probe"))
public = _depends(Access("public"))
signed_in = _depends(Access("signed-in"))


def bearer_token(request: Request) -> str:
    """The access token of the request; raises UnauthorizedError when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthorizedError("Send an access token: Authorization: Bearer …")
    return token.strip()


def client_address(request: Request) -> str:
    """IP address of the caller, as far as trusted proxies tell."""
    return request.client.host if request.client else "unknown"


async def _limit(resources: Resources, caller: str) -> None:
    await resources.rate_limiter.hit(resources.settings.rate_limit_default, "default", caller)


def _principal(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


def _claims(request: Request) -> AccessClaims:
    return cast("AccessClaims", request.state.claims)


CurrentPrincipal = Annotated[Principal, Depends(_principal)]
CurrentClaims = Annotated[AccessClaims, Depends(_claims)]
