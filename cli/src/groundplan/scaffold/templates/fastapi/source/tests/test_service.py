"""What a user of the service sees."""

import asyncio
from http import HTTPStatus

import httpx2
import pytest

from app.main import create_app
from tests.conftest import Running


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_it_is_well(service: Running, path: str) -> None:
    """Both probes answer."""
    assert service.client.get(path).json() == {"status": "ok"}


def test_it_greets(service: Running) -> None:
    """The example of a feature answers with the name."""
    answer = service.client.get("/api/v1/greeting", params={"name": "Ada"})
    assert answer.json() == {"text": "Hello, Ada!"}


def test_a_bad_request_is_a_problem(service: Running) -> None:
    """A name that is too long is refused, and the answer names the field."""
    answer = service.client.get("/api/v1/greeting", params={"name": "x" * 101})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "query.name"


def test_an_unknown_address_is_a_problem(service: Running) -> None:
    """A 404 is a problem too, with the request's id."""
    answer = service.client.get("/nothing", headers={"X-Request-ID": "mine"})
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine"


def test_an_unexpected_error_hides_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong inside is in the log, and not in the answer."""
    app = create_app()

    @app.get("/broken")
    async def fail() -> None:
        raise RuntimeError("the reason")

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/broken")

    answer = asyncio.run(ask())
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "the reason" not in answer.text
    assert answer.json()["request_id"] in capsys.readouterr().out
