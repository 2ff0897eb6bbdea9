"""Errors that people see, as RFC 9457 `application/problem+json`."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException


def problem(
    status: HTTPStatus, detail: str, path: str, errors: list[dict[str, str]] | None = None
) -> JSONResponse:
    """Write a problem; `errors` tells what is wrong with each field."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": detail,
        "instance": path,
        "request_id": structlog.contextvars.get_contextvars().get("request_id", ""),
    }
    if errors:
        body["errors"] = errors
    return JSONResponse(body, status, media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Turn the exceptions of the framework into problems."""
    app.exception_handler(RequestValidationError)(_handle_validation_error)
    app.exception_handler(HTTPException)(_handle_http_exception)


def _handle_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    errors = [
        {"field": ".".join(str(part) for part in item["loc"]), "message": str(item["msg"])}
        for item in error.errors()
    ]
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return problem(status, "The request is not valid.", request.url.path, errors)


def _handle_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    response = problem(HTTPStatus(error.status_code), str(error.detail), request.url.path)
    response.headers.update(error.headers or {})
    return response
