"""Errors that people see, as RFC 9457 `application/problem+json`."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypedDict

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from app.core.context import request_id_var

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="Path of the field, such as `body.email` or `query.limit`")
    message: str


class Problem(BaseModel):
    """Body of every error response (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request")
    code: str = Field(description="Stable name of the error, for programs")
    request_id: str
    errors: list[FieldError] | None = Field(default=None, description="Only with status 422")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors that a route declares, as `responses` of OpenAPI."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        int(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


class FieldErrorDict(TypedDict):
    """FieldError before it is written."""

    field: str
    message: str


class ApiError(Exception):
    """An error with an HTTP status; subclasses name the usual ones."""

    def __init__(
        self,
        message: str,
        code: str,
        status: HTTPStatus,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldErrorDict] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.headers = dict(headers or {})
        self.errors = errors


class UnauthorizedError(ApiError):
    """The caller is not signed in, or no longer."""

    def __init__(self, message: str, code: str = "unauthorized") -> None:
        super().__init__(
            message, code, HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"}
        )


class ForbiddenError(ApiError):
    """The caller is known, and may not do this."""

    def __init__(self, message: str, code: str = "forbidden") -> None:
        super().__init__(message, code, HTTPStatus.FORBIDDEN)


class NotFoundError(ApiError):
    """There is no such thing, or none that the caller may see."""

    def __init__(self, message: str, code: str = "not_found") -> None:
        super().__init__(message, code, HTTPStatus.NOT_FOUND)


class GoneError(ApiError):
    """There was such a thing, and it is no longer kept."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code, HTTPStatus.GONE)


class ConflictError(ApiError):
    """The state of the thing forbids it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code, HTTPStatus.CONFLICT)


class InvalidError(ApiError):
    """The request is well-formed and still can't be carried out."""

    def __init__(self, message: str, field: str, code: str = "validation_error") -> None:
        errors: list[FieldErrorDict] = [{"field": field, "message": message}]
        super().__init__(message, code, HTTPStatus.UNPROCESSABLE_ENTITY, errors=errors)


class UnavailableError(ApiError):
    """Something the API needs is away; asking again after `retry_after` seconds may help."""

    def __init__(self, message: str, code: str = "unavailable", retry_after: int = 2) -> None:
        super().__init__(
            message,
            code,
            HTTPStatus.SERVICE_UNAVAILABLE,
            headers={"Retry-After": str(retry_after)},
        )


def problem_response(error: ApiError, path: str) -> JSONResponse:
    """Write an error as `application/problem+json`."""
    problem = Problem(
        title=error.status.phrase,
        status=error.status,
        detail=error.message,
        instance=path,
        code=error.code,
        request_id=request_id_var.get(),
        errors=[FieldError(**item) for item in error.errors] or None,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=error.status,
        headers=error.headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )
