"""Connections that break, hang or slow down: everything finds its way back by itself."""

import asyncio
import time

import pytest

from drill import Drill
from generator import export
from waiting import eventually

pytestmark = pytest.mark.anyio
RECOVERY_S = 20
WAITING_S = 300
"""For all that was asked for meanwhile."""
DONE = "SELECT EXISTS (SELECT FROM jobs WHERE status = 'succeeded' AND {since} > :'now')"
SERVERS = ("postgres", "rabbitmq", "redis", "storage")


@pytest.mark.parametrize("server", SERVERS)
async def test_promise_07_a_black_hole_heals(drill: Drill, server: str) -> None:
    """A server that takes everything and says nothing: soon after it answers again, all is well."""
    if server != "postgres" and not drill.profile.is_long:
        pytest.skip("for the long profile")
    seconds = drill.pick(8, 120)
    proxy = drill.stack.proxies[server]
    async with drill.loaded():
        await asyncio.sleep(1)
        with drill.fault("black hole", server=server, seconds=seconds):
            proxy.black_hole()
            await asyncio.sleep(seconds)
        began = time.monotonic()
        await proxy.heal()
        # What is asked for now has all before it that was asked for meanwhile.
        await _works(drill, "started_at")
    recovery = time.monotonic() - began
    await _judge(drill, f"{server} a black hole for {seconds} s under load", recovery)


@pytest.mark.parametrize("server", SERVERS)
async def test_promise_07_half_open_connections_are_found(drill: Drill, server: str) -> None:
    """Connections whose other end is gone without a word are replaced within 20 s: three heartbeats and more."""
    if server != "postgres" and not drill.profile.is_long:
        pytest.skip("for the long profile")
    async with drill.loaded():
        await asyncio.sleep(1)
        drill.history.fault(
            "half-open", server=server, connections=drill.stack.proxies[server].connections
        )
        drill.stack.proxies[server].half_open()
        began = time.monotonic()
        await _works(drill, "created_at")
    recovery = time.monotonic() - began
    await _judge(drill, f"all connections to {server} half-open under load", recovery)


async def test_promise_07_slow_connections(drill: Drill) -> None:
    """50 ms more on every piece to every server: slower, and nothing is lost."""
    jobs = drill.pick(20, 500)
    for proxy in drill.stack.proxies.values():
        proxy.latency = 0.05
    with drill.fault("latency", seconds=0.05):
        await drill.load().run(jobs)
        await drill.quiet()
    await drill.judge()
    drill.figure(7, f"50 ms more on every piece to every server, {jobs} jobs", "0 lost")


async def _works(drill: Drill, since: str) -> None:
    """Wait until an export is accepted, and one is done whose time in the column `since` is later than now."""
    now = await drill.stack.sql("SELECT clock_timestamp()")

    async def accepted() -> str | None:
        return await export(drill.client, drill.users[0])

    await eventually(accepted, 60, "an export accepted")

    async def done() -> bool:
        return await drill.stack.sql(DONE.format(since=since), now=now) == "t"

    await eventually(done, 60, "an export done")


async def _judge(drill: Drill, fault: str, recovery: float) -> None:
    """Everything is done in the end, and exports were accepted and done soon after the fault's end."""
    drained = await drill.quiet(drill.pick(60, WAITING_S))
    await drill.judge()
    assert recovery <= drill.limit(RECOVERY_S)
    assert not _hung(drill)
    result = (
        f"exports accepted and done {recovery:.1f} s after, all that waited {drained:.0f} s later"
    )
    drill.figure(7, fault, f"{result}; 0 lost, 0 hung")


def _hung(drill: Drill) -> list[str]:
    """Requests that the client gave up."""
    return [
        f"{call.name} at {call.began} s"
        for call in drill.history.calls()
        if call.answer.get("error") == "ReadTimeout" or call.ended is None
    ]
