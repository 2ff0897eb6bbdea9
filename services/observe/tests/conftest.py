"""Fixtures: running observers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Observer


@pytest.fixture(scope="session")
def shared_observer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observer]:
    """One observer for all tests that only send and ask."""
    yield from running(tmp_path_factory.mktemp("observer") / "data")


@pytest.fixture
def observer(shared_observer: Observer) -> Observer:
    """An observer that knows of no calls."""
    shared_observer.client.delete("/api/edges")
    return shared_observer


@pytest.fixture
def own_observer(tmp_path: Path) -> Iterator[Observer]:
    """An observer of this test alone."""
    yield from running(tmp_path / "data")


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio."""
    return "asyncio"


def running(data: Path) -> Iterator[Observer]:
    """An observer that is ended afterwards."""
    observer = Observer(data)
    observer.start()
    yield observer
    observer.client.close()
    if observer.process.poll() is None:
        observer.stop()
