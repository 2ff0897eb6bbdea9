"""The running system for the tests of the whole: `./gp test system` starts it and ends it."""

import os
from collections.abc import Iterator

import httpx2
import pytest
from dotenv import dotenv_values

from harness import ROOT, System, gp


@pytest.fixture(scope="session")
def system() -> System:
    """The instance that `./gp test system` started."""
    if not os.environ.get("GROUNDPLAN_INSTANCE") or gp("status").returncode:
        pytest.exit("The system under test is not running. Type ./gp test system", returncode=2)
    file = ROOT / "tmp" / os.environ["GROUNDPLAN_INSTANCE"] / "config" / ".env"
    return System(dict(dotenv_values(file)))


@pytest.fixture(scope="session")
def admin(system: System) -> Iterator[httpx2.Client]:
    """A client signed in as the first user."""
    with system.client() as client:
        yield client


@pytest.fixture(scope="session")
def users(system: System) -> int:  # noqa: ARG001 - it must run
    """The number of users there are at least, made by `./gp db seed`."""
    count = 100_000
    done = gp("db", "seed", str(count))
    assert done.returncode == 0, done.stderr
    return count
