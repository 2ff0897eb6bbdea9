"""Garbage in every place of a request: the answer is an error that the OpenAPI document tells."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from app.settings import Settings
from tests.contract import ENDLESS, PATIENCE_S
from tests.people import PASSWORD, People
from tests.running import run_api

pytestmark = pytest.mark.anyio

TEXTS = ["", "a\x00b", "\ud800", "😀" * 100, "x" * 5000, "..", "-1"]
VALUES: list[Any] = [*TEXTS[:4], None, 10**400, 1.5, [], {}, ["\x00"], "x" * 500_000]
BODIES = [
    b"", b"null", b"[]", b'"text"', b"{", b"{}", b"NaN", b"-Infinity", b"1e999", b"9" * 5000,
    b"\xff\xfe", b"\x00", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b'{"\\ud800":1}', b"{},{}",
    b"[" * 100_000, b'{"a":' * 50_000,
]  # fmt: skip
TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "\xe9", "", "/"]
JSON = {"Content-Type": "application/json"}

# What a field holds while another one holds garbage, so that the garbage gets as far as it can.
SOUND = {
    "name": "sound", "role": "viewer", "password": PASSWORD, "permissions": [], "description": "",
    "type": "users", "new_password": PASSWORD, "current_password": PASSWORD,
}  # fmt: skip


async def test_garbage_is_refused(own_settings: Settings) -> None:
    """Whatever stands in a path, a query or a body, no answer is a 5xx or undocumented."""
    async with run_api(own_settings) as api:
        document = api.app.openapi()
        for method, path, operation in operations(document):
            person = await People(api).create("admin")
            async with person.client() as client:
                client.timeout = PATIENCE_S
                for request in garbage(document, path, operation):
                    status = (await client.request(method, **request)).status_code
                    # Garbage in a path may make it another one.
                    is_astray = status in (404, 405) and "{" in path
                    assert str(status) in operation["responses"] or is_astray, (
                        f"{method} {path} answered {status} to {str(request)[:500]}"
                    )


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of all operations that end."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation["operationId"] not in ENDLESS:
                yield method.upper(), path, operation


def garbage(
    document: dict[str, Any], path: str, operation: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Requests with something wrong in one place."""
    url = _filled(path, str(uuid4()))
    if url != path:
        yield from ({"url": _filled(path, _quoted(text))} for text in TEXTS[1:])
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            yield from ({"url": f"{url}?{parameter['name']}={_quoted(text)}"} for text in TEXTS)
    if "requestBody" in operation:
        yield from ({"url": url, **body} for body in _bodies(_fields(document, operation)))


def _bodies(fields: set[str]) -> Iterator[dict[str, Any]]:
    yield from ({"content": body, "headers": JSON} for body in BODIES)
    for media_type in TYPES:
        yield {"content": b"{}", "headers": {"Content-Type": media_type.encode("latin-1")}}
    for field in sorted(fields):
        for value in VALUES:
            sound = {name: SOUND[name] for name in fields & set(SOUND)}
            email = {"email": f"{uuid4().hex}@example.com"} if "email" in fields else {}
            content = json.dumps({**sound, **email, field: value})
            yield {"content": content.encode("utf-8"), "headers": JSON}


def _fields(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    names = re.findall(r"#/components/schemas/(\w+)", json.dumps(schema))
    return {
        field
        for name in names
        for field in document["components"]["schemas"][name].get("properties", ())
    }


def _filled(path: str, value: str) -> str:
    return re.sub(r"\{\w+\}", lambda _: value, path)


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
