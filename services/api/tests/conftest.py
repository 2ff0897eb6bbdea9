"""What all tests share: settings of their own, a database each worker, and a running API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest

from app.settings import Settings
from tests import database, servers
from tests.people import People
from tests.running import Api, run_api

TEMPLATE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the bucket and the template once: in the process that starts the workers."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        asyncio.run(servers.create_bucket(base_settings()))
        config.stash[TEMPLATE] = asyncio.run(database.create_template(base_settings()))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if TEMPLATE in config.stash:
        asyncio.run(database.drop(base_settings(), config.stash[TEMPLATE]))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker of pytest-xdist where the template is."""
    node.workerinput["template"] = node.config.stash[TEMPLATE]


def template_of(config: pytest.Config) -> str:
    """Name of the migrated database."""
    worker_input: dict[str, str] | None = getattr(config, "workerinput", None)
    return worker_input["template"] if worker_input else config.stash[TEMPLATE]


def base_settings() -> Settings:
    """Settings as the environment has them, with limits that no test meets by accident."""
    return Settings(
        environment="development",
        log_level="WARNING",
        rate_limit_default="100000/minute",
        rate_limit_write="100000/minute",
        rate_limit_export="100000/minute",
        rate_limit_login="100000/minute",
        rate_limit_login_address="100000/minute",
        rate_limit_reset="100000/minute",
        rate_limit_login_account="100000/minute",
        rate_limit_code="100000/minute",
        rate_limit_reset_email="100000/minute",
        max_requests_in_work=1000,
        smtp_address="",
        otel_exporter_otlp_endpoint="",
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """All tests of a worker share one event loop."""
    return "asyncio"


@pytest.fixture(scope="session")
async def forgive_cut_connections(
    anyio_backend: str,  # noqa: ARG001 - tests that are no coroutines get the event loop with it, too
) -> None:
    """Cutting a connection that asyncpg is opening leaves a failure that nobody awaits."""
    loop = asyncio.get_running_loop()
    report = loop.get_exception_handler()
    assert report

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "unexpected connection_lost()" not in str(context.get("exception")):
            report(loop, context)

    loop.set_exception_handler(handle)


@pytest.fixture(scope="session")
async def settings(
    request: pytest.FixtureRequest,
    forgive_cut_connections: None,  # noqa: ARG001 - holds for all that use the servers
) -> AsyncIterator[Settings]:
    """Settings with a database, Redis keys and queues of this worker alone."""
    base = base_settings()
    name = await database.create_copy(base, template_of(request.config))
    settings = base.model_copy(
        update={"postgres_db": name, "redis_prefix": f"{name}:", "job_queue": name}
    )
    await servers.declare_queue(settings)
    yield settings
    await database.drop(base, name)
    await servers.delete_keys(settings)
    await servers.delete_queue(settings)


@pytest.fixture(scope="session")
async def api(settings: Settings) -> AsyncIterator[Api]:
    """The API that most tests talk to."""
    async with run_api(settings) as running:
        yield running


@pytest.fixture(scope="session")
async def people(api: Api) -> People:
    """Makes users in the database of `api`."""
    return People(api)


@pytest.fixture
async def admin(people: People) -> AsyncIterator[httpx.AsyncClient]:
    """A client who may do everything."""
    async with (await people.create("admin")).client() as client:
        yield client


@pytest.fixture
async def own_settings(
    settings: Settings, request: pytest.FixtureRequest
) -> AsyncIterator[Settings]:
    """Settings with a database and Redis keys of this test alone."""
    async with own_copy(settings, request.config) as own:
        yield own


@pytest.fixture(scope="module")
async def module_settings(
    settings: Settings, request: pytest.FixtureRequest
) -> AsyncIterator[Settings]:
    """Settings with a database and Redis keys of one module's tests."""
    async with own_copy(settings, request.config) as own:
        yield own


@asynccontextmanager
async def own_copy(settings: Settings, config: pytest.Config) -> AsyncIterator[Settings]:
    """Settings with a new database, keys and queues, which are deleted afterwards."""
    name = await database.create_copy(settings, template_of(config))
    own = settings.model_copy(
        update={"postgres_db": name, "redis_prefix": f"{name}:", "job_queue": name}
    )
    await servers.declare_queue(own)
    yield own
    await database.drop(settings, name)
    await servers.delete_keys(own)
    await servers.delete_queue(own)


@pytest.fixture
async def postgres(settings: Settings) -> AsyncIterator["asyncpg.Connection"]:
    """A plain connection to the database of `api`."""
    connection = await database.connect(settings, settings.postgres_db)
    yield connection
    await connection.close()
