"""Who may call a route.

Each route declares exactly one of `public`, `signed_in`, `requires(…)` and `probe`: the last is for
health checks, which everybody may ask at any rate. The routes of a group share a rate limit, which
RATE_LIMIT_GROUP sets for each user or else each address. What is in no other group is in "default"
where it only reads, and in "write" where it does not.
"""

from typing import Annotated, Literal, cast

from fastapi import Depends, Request
from fastapi.params import Depends as DependsMarker

from app.auth.sessions import Caller, Principal
from app.auth.tokens import AccessClaims
from app.core.context import client_address_var
from app.core.errors import ForbiddenError, UnauthorizedError
from app.core.rate_limit import network_of
from app.resources import get_resources
from app.role.domain import Permission

Group = Literal["default", "write", "export", "login_address", "reset"]
READING = {"GET", "HEAD"}


class Access:
    """A dependency that lets the right callers in, each at a bearable rate."""

    def __init__(
        self, name: str, permission: Permission | None = None, group: Group | None = None
    ) -> None:
        self.name = name  # "public", "signed-in", "probe" or the permission
        self.permission = permission
        self.group = group

    async def __call__(self, request: Request) -> None:
        """Refuse with 401, 403 or 429; leave the principal in `request.state`."""
        if self.name == "probe":
            return
        client_address_var.set(client_address(request))
        resources = get_resources(request)
        if self.name == "public":
            await self._limit(request, network_of(client_address(request)))
            return
        principal, claims = await resources.authenticator.authenticate(bearer_token(request))
        await self._limit(request, str(principal.id))
        if self.permission and self.permission not in principal.permissions:
            raise ForbiddenError(f"You need the permission {self.permission}.")
        request.state.principal = principal
        request.state.claims = claims

    async def _limit(self, request: Request, caller: str) -> None:
        group = self.group or ("default" if request.method in READING else "write")
        resources = get_resources(request)
        limit = getattr(resources.settings, f"rate_limit_{group}")
        await resources.rate_limiter.hit(limit, group.replace("_", "-"), caller)


def requires(permission: Permission, group: Group | None = None) -> DependsMarker:
    """Declare that a route needs a permission."""
    return _depends(Access(permission.value, permission, group))


def public_with_limit(group: Group) -> DependsMarker:
    """Declare that everybody may call a route, at the rate of a group."""
    return _depends(Access("public", group=group))


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


def _principal(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


def _claims(request: Request) -> AccessClaims:
    return cast("AccessClaims", request.state.claims)


def _caller(request: Request) -> Caller:
    return Caller(client_address(request), request.headers.get("user-agent", ""))


CurrentPrincipal = Annotated[Principal, Depends(_principal)]
CurrentClaims = Annotated[AccessClaims, Depends(_claims)]
CurrentCaller = Annotated[Caller, Depends(_caller)]
