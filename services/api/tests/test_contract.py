"""Every answer is one that the OpenAPI document tells, whoever asks, whatever is asked."""

import pytest

from app.settings import Settings
from tests.contract import Caller
from tests.running import run_api

pytestmark = pytest.mark.anyio

# Role, calls of each operation (right ones and as many wrong ones), and sequences of 12 calls.
SHORT = [("admin", 1, 15), ("manager", 1, 5), ("viewer", 1, 2), (None, 1, 2)]
LONG = [(role, 60, 600) for role in ("admin", "manager", "viewer", None)]


async def check(settings: Settings, role: str | None, examples: int, sequences: int) -> Caller:
    """Call an API of one's own; raises what schemathesis found, with a command that shows it."""
    async with run_api(settings) as api:
        caller = Caller(api, role)
        try:
            await caller.call_each(examples)
            await caller.call_in_sequence(sequences)
        except BaseExceptionGroup as found:
            # As it is, it would end the event loop of all tests.
            raise AssertionError("\n".join(map(str, (found, *found.exceptions)))) from None
    return caller


@pytest.mark.parametrize(("role", "examples", "sequences"), SHORT)
async def test_answers_are_as_documented(
    own_settings: Settings, role: str | None, examples: int, sequences: int
) -> None:
    """No answer is a 5xx, of an undocumented status or type, or does not fit its schema."""
    caller = await check(own_settings, role, examples, sequences)
    if role == "admin":
        assert caller.succeeded > 0.5, caller.answers


@pytest.mark.long
@pytest.mark.parametrize(("role", "examples", "sequences"), LONG)
async def test_answers_are_as_documented_for_long(
    own_settings: Settings, role: str | None, examples: int, sequences: int
) -> None:
    """The same with many more requests: `./gp test api -- -m long`."""
    await check(own_settings, role, examples, sequences)
