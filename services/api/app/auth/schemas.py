"""Bodies of the sign-in routes."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from app.auth.domain import NewPassword
from app.role.domain import Permission
from app.role.schemas import RoleRef

# Longer than any password can be; what is too long simply does not match.
GivenPassword = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
RefreshToken = Annotated[str, StringConstraints(max_length=200)]


class LoginRequest(BaseModel):
    """Who wants to sign in."""

    # Not validated as an address: what is none simply does not match.
    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    password: GivenPassword


class RefreshRequest(BaseModel):
    """The refresh token, unless the cookie holds it."""

    refresh_token: RefreshToken | None = None


class PasswordChange(BaseModel):
    """A new password, and the old one as proof."""

    current_password: GivenPassword
    new_password: NewPassword


class TokenPair(BaseModel):
    """What a client needs to stay signed in."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a word of OAuth, no secret
    expires_in: int = Field(description="Seconds until the access token expires")


class Me(BaseModel):
    """Who is signed in, and what they may do."""

    id: UUID
    email: str
    name: str
    role: RoleRef
    permissions: list[Permission]
