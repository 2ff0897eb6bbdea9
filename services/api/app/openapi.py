"""The OpenAPI document. `python -m app.openapi` writes it to contracts/openapi.json."""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.auth.access import Access
from app.core.errors import FieldError, Problem, problems

SCHEMA_REFERENCE = "#/components/schemas/{model}"


def operation_id(route: APIRoute) -> str:
    """`list_users` becomes `listUsers`: names for generated clients."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), route.name)


def declared_access(app: FastAPI) -> Iterator[tuple[RouteContext, list[Access]]]:
    """Each route of the API, and what it declares about who may call it."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            declared = [item.dependency for item in route.dependencies]
            yield route, [item for item in declared if isinstance(item, Access)]


def install_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` describe problems and who may call what, too."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # the way FastAPI documents


def _build(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas = document["components"]["schemas"]
    for model in (Problem, FieldError):
        schemas[model.__name__] = model.model_json_schema(ref_template=SCHEMA_REFERENCE)
        schemas[model.__name__].pop("$defs", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for route, (access,) in declared_access(app):
        for method in route.methods or ():
            _complete(document["paths"][route.path_format][method.lower()], access)
    return document


def _complete(operation: dict[str, Any], access: Access) -> None:
    operation["responses"].pop("422", None)
    for status, problem in problems(*_statuses(operation, access)).items():
        operation["responses"].setdefault(str(status), problem)
    operation["x-access"] = access.name
    if access.name not in ("public", "probe"):
        operation["security"] = [{"bearer": []}]


def _statuses(operation: dict[str, Any], access: Access) -> Iterator[int]:
    """The errors that follow from what a route takes and who may call it; others it declares."""
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    if access.name not in ("public", "probe"):
        yield HTTPStatus.UNAUTHORIZED
    if access.permission:
        yield HTTPStatus.FORBIDDEN
    if "path" in places:
        yield HTTPStatus.NOT_FOUND
    if "requestBody" in operation:
        yield HTTPStatus.BAD_REQUEST
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if places or "requestBody" in operation:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    if access.name != "probe":
        yield HTTPStatus.TOO_MANY_REQUESTS
        yield HTTPStatus.SERVICE_UNAVAILABLE


def main() -> None:
    """Write the document, the same bytes for the same code."""
    from app.main import create_app  # noqa: PLC0415 - app.main imports this module
    from app.settings import get_settings  # noqa: PLC0415 - only the command needs it

    path = get_settings().contracts_dir / "openapi.json"
    document = json.dumps(create_app().openapi(), indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(document + "\n")
    print(f"wrote {path}")  # noqa: T201 - the output of a command


if __name__ == "__main__":
    main()
