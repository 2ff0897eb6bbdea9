"""Systems on the Docker engine for the tests: `./gp test docker` starts and removes them."""

import signal
from collections.abc import Iterator

import pytest

import engine
from groundplan.errors import UserError
from groundplan.runtime.docker.engine import find
from harness import new_user
from load import Load

# A shell that runs the tests in its background has them ignore Ctrl-C, and what they start does as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip everything, saying why, where no engine answers."""
    try:
        find()
    except UserError as error:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engine.Production]:
    """Production with three replicas of the API, which all tests share."""
    running = engine.prepare(tmp_path_factory.mktemp("production"))
    try:
        engine.start(running)
        yield running
    finally:
        engine.stop(running)


@pytest.fixture(scope="session")
def admin_token(production: engine.Production) -> str:
    """An access token of the first user."""
    return production.sign_in("admin@example.com", production.secret("admin-password"))


@pytest.fixture(scope="session")
def tokens(production: engine.Production, admin_token: str) -> list[str]:
    """Access tokens of several users who may do everything: each has a rate limit of its own."""
    found = []
    with production.api(admin_token) as admin:
        for _ in range(8):
            user = new_user("admin")
            answer = admin.post("/users", json=user)
            assert answer.status_code == 201, answer.text
            found.append(production.sign_in(user["email"], user["password"]))
    return found


@pytest.fixture
def load(production: engine.Production, tokens: list[str]) -> Load:
    """Requests of several users at once; begins with `with load:`."""
    return Load(production.https_port, production.tls, tokens)
