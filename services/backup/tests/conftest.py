"""Fixtures: a PostgreSQL server for all tests, and a service of its own for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backup import scratch
from backup.postgres import Server
from backup.settings import Settings
from tests.support import fill, settings_for, world_readable_folder


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One PostgreSQL server for all tests that leave it running."""
    with (
        world_readable_folder() as place,
        scratch.folder(place) as folder,
        scratch.empty_server(folder) as running,
    ):
        yield running


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for the repository and the state of one test."""
    with world_readable_folder() as folder:
        yield folder


@pytest.fixture
def settings(server: Server, place: Path) -> Settings:
    """A service with an empty repository, and a database with data in it."""
    fill(server)
    return settings_for(server, place)
