"""Bodies of the sign-in routes."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.auth.domain import NewPassword
from app.role.domain import Permission
from app.role.schemas import RoleRef

# As long as a password may be; what is too long simply does not match.
GivenPassword = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
# Not validated as an address: what is none simply does not match.
GivenEmail = Annotated[str, StringConstraints(min_length=1, max_length=254)]
GivenCode = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    Field(description="Six digits of the authenticator app, or a recovery code"),
]
RefreshToken = Annotated[str, StringConstraints(max_length=200)]


class LoginRequest(BaseModel):
    """Who wants to sign in. `code` is needed where the second factor is on."""

    email: GivenEmail
    password: GivenPassword
    code: GivenCode | None = None


class RefreshRequest(BaseModel):
    """The refresh token, unless the cookie holds it."""

    refresh_token: RefreshToken | None = None


class PasswordChange(BaseModel):
    """A new password, and the old one as proof."""

    current_password: GivenPassword
    new_password: NewPassword


class PasswordResetRequest(BaseModel):
    """Whose password was forgotten."""

    email: GivenEmail


class PasswordResetConfirm(BaseModel):
    """The token of a mailed link, and the password to set."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    new_password: NewPassword


class TokenPair(BaseModel):
    """What a client needs to stay signed in."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a word of OAuth, no secret
    expires_in: int = Field(description="Seconds until the access token expires")


class SessionOut(BaseModel):
    """A place where the user is signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: datetime
    last_used_at: datetime = Field(description="When its tokens were last refreshed")
    address: str
    user_agent: str
    current: bool = Field(description="Whether this request belongs to it")


class SessionList(BaseModel):
    """Every session of the user, last used first."""

    items: list[SessionOut]


class SecondFactorSecret(BaseModel):
    """What an authenticator app needs; the factor is on once a code was confirmed."""

    secret: str
    uri: str = Field(description="For a QR code: otpauth://totp/…")


class SecondFactorCode(BaseModel):
    """A code of the authenticator app."""

    code: GivenCode


class SecondFactorRemoval(BaseModel):
    """Proof that the user themselves turns the second factor off."""

    password: GivenPassword
    code: GivenCode


class RecoveryCodes(BaseModel):
    """Each stands in for the second factor once. They are told this one time."""

    recovery_codes: list[str]


class Me(BaseModel):
    """Who is signed in, and what they may do."""

    id: UUID
    email: str
    name: str
    role: RoleRef
    permissions: list[Permission]
    second_factor: bool
