"""What all tests share: one event loop, and servers with data of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.logs import configure_logging
from tests.process import WorkerProcess
from tests.proxy import Proxy
from tests.system import System, create_system, run_scripted

ROWS = 60_000


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """All tests of a process share one event loop."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """Tests provoke errors, which are no news."""
    configure_logging("ERROR")


@pytest.fixture(scope="module")
async def system() -> AsyncIterator[System]:
    """Servers with a user."""
    async with create_system() as system:
        await system.add_user("Ada")
        yield system


@pytest.fixture(scope="module")
async def workers(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """Two workers with the job types of the tests."""
    contracts: Path = tmp_path_factory.mktemp("contracts")
    async with run_scripted(system, contracts), run_scripted(system, contracts):
        yield


@pytest.fixture(scope="module")
async def many_users(system: System) -> int:
    """Enough rows for an export of several parts; returns their number."""
    await system.add_users(ROWS)
    return ROWS + 1


@pytest.fixture
async def storage(system: System) -> AsyncIterator[Proxy]:
    """Stands before the storage."""
    async with Proxy(system.settings.s3_endpoint.removeprefix("http://")) as proxy:
        yield proxy


@pytest.fixture
async def rabbitmq(system: System) -> AsyncIterator[Proxy]:
    """Stands before RabbitMQ."""
    async with Proxy(system.settings.rabbitmq_address) as proxy:
        yield proxy


@pytest.fixture
async def postgres(system: System) -> AsyncIterator[Proxy]:
    """Stands before PostgreSQL."""
    async with Proxy(system.settings.postgres_address) as proxy:
        yield proxy


@pytest.fixture
def worker(system: System, storage: Proxy, rabbitmq: Proxy, postgres: Proxy) -> WorkerProcess:
    """A worker that reaches its servers through the proxies; the test starts it."""
    return WorkerProcess(
        system.environment(
            S3_ENDPOINT=f"http://{storage.address}",
            RABBITMQ_ADDRESS=rabbitmq.address,
            POSTGRES_ADDRESS=postgres.address,
            WORKER_GRACE_SECONDS="1",
        )
    )
