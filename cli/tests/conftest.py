"""Fixtures: a small workspace for each test."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Workspace

# A shell that runs the tests in its background has them ignore Ctrl-C, and what they start does as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A new workspace; whatever it starts is ended."""
    workspace = Workspace(tmp_path / "shop")
    yield workspace
    workspace.close()


@pytest.fixture
def neighbour(tmp_path: Path) -> Iterator[Workspace]:
    """Another workspace on the same machine."""
    workspace = Workspace(tmp_path / "neighbour")
    yield workspace
    workspace.close()
