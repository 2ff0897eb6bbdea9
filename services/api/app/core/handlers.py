"""Turns exceptions into problems."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.cache import CacheUnavailableError
from app.core.errors import ApiError, FieldErrorDict, UnavailableError, problem_response
from app.core.middleware import body_too_large
from app.database import is_outage

log = structlog.get_logger()

MESSAGES = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not know that method.",
}


def add_handlers(app: FastAPI) -> None:
    """Register all of them."""
    app.exception_handler(ApiError)(_handle_api_error)
    app.exception_handler(RequestValidationError)(_handle_validation_error)
    app.exception_handler(HTTPException)(_handle_http_exception)
    app.exception_handler(CacheUnavailableError)(_handle_cache_outage)
    for error in (DBAPIError, PoolTimeoutError, OSError, asyncpg.InterfaceError):
        app.exception_handler(error)(_handle_database_error)


def _handle_api_error(request: Request, error: ApiError) -> Response:
    return problem_response(error, request.url.path)


def _handle_validation_error(request: Request, error: RequestValidationError) -> Response:
    problem = ApiError(
        "The request is not valid.",
        "validation_error",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        errors=[_field_error(item) for item in error.errors()],
    )
    return problem_response(problem, request.url.path)


def _field_error(item: Mapping[str, Any]) -> FieldErrorDict:
    if item["type"] == "json_invalid":
        return {"field": "body", "message": "The body is not valid JSON."}
    message = str(item["msg"]).removeprefix("Value error, ")
    return {"field": ".".join(str(part) for part in item["loc"]), "message": message}


def _handle_http_exception(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return problem_response(body_too_large(), request.url.path)
    problem = ApiError(
        MESSAGES.get(status, str(error.detail)), status.name.lower(), status, headers=error.headers
    )
    return problem_response(problem, request.url.path)


def _handle_cache_outage(request: Request, _error: CacheUnavailableError) -> Response:
    problem = UnavailableError("Sessions can't be changed right now.", "cache_unavailable")
    return problem_response(problem, request.url.path)


def _handle_database_error(request: Request, error: Exception) -> Response:
    if not is_outage(error):
        raise error
    log.warning("database.unavailable", error=type(error).__name__)
    problem = UnavailableError("The database does not answer.", "database_unavailable")
    return problem_response(problem, request.url.path)
