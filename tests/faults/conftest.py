"""Options and fixtures of the drills: `./gp test faults` starts the servers and ends them."""

import os
import random
from collections.abc import AsyncIterator, Generator

import pytest

from drill import Drill, Profile
from stack import Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    """The profile and the seed."""
    parser.addoption("--long", action="store_true", help="as much as the promises say")
    parser.addoption("--seed", type=int, help="replay this seed")


def pytest_report_header(config: pytest.Config) -> str:
    """The seed of this run."""
    return f"seed {_seed(config)}"


def _seed(config: pytest.Config) -> int:
    if config.getoption("--seed") is None:
        config.option.seed = random.SystemRandom().randrange(1_000_000)
    return int(config.getoption("--seed"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell how a failed drill is replayed."""
    report = yield
    if report.failed and "drill" in getattr(item, "fixturenames", ()):
        long = " --long" if item.config.getoption("--long") else ""
        command = f"./gp test faults{long} -- -k {item.name} --seed {_seed(item.config)}"
        report.sections.append(("Replay", command))
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One loop for all drills."""
    return "asyncio"


@pytest.fixture(scope="session")
def profile(pytestconfig: pytest.Config) -> Profile:
    """Short or long, and the seed."""
    return Profile(_seed(pytestconfig), bool(pytestconfig.getoption("--long")))


@pytest.fixture(scope="session")
async def stack(profile: Profile) -> AsyncIterator[Stack]:
    """The system with its proxies and replicas."""
    if "GROUNDPLAN_INSTANCE" not in os.environ:
        pytest.exit("The system under test is not running. Type ./gp test faults", returncode=2)
    stack = Stack(is_long=profile.is_long)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()


@pytest.fixture
async def drill(
    request: pytest.FixtureRequest, stack: Stack, profile: Profile
) -> AsyncIterator[Drill]:
    """A drill on a system that is well."""
    await stack.heal()
    drill = Drill(request.node.name, stack, profile)
    try:
        await drill.begin()
        yield drill
    finally:
        await drill.end()
