"""Workers die, and jobs that can't be done: nothing is lost, nothing is done twice."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from drill import Drill
from groundplan.parts import FAKETIME
from stack import WORKER
from streams import watching

pytestmark = pytest.mark.anyio


async def test_promise_01_workers_are_killed(drill: Drill) -> None:
    """kill -9 of a random worker, again and again during many jobs: each is done exactly once."""
    jobs, kills = drill.pick(120, 10_000), drill.pick(6, 100)
    moments = sorted(drill.chance.sample(range(jobs), kills))
    load = asyncio.create_task(drill.load().run(jobs))
    for moment in moments:
        await drill.ended(moment)
        worker = drill.chance.choice(drill.stack.workers)
        drill.history.fault("kill", process=worker.name, ended=moment)
        worker.send(signal.SIGKILL)
    last = time.monotonic()
    await load
    await drill.quiet()
    seconds = time.monotonic() - last
    assert seconds <= drill.limit(60)
    state = await drill.judge()
    again = sum(job.attempts > 1 for job in state.jobs.values())
    drill.figure(
        1,
        f"{kills} × kill -9 of one of 3 workers during {len(state.jobs)} jobs",
        f"0 lost, 0 doubled, 0 innocent dead letters; {again} jobs had a further attempt; "
        f"all ended {seconds:.0f} s after the last kill",
    )


async def test_promise_01_the_clocks_of_workers_jump(drill: Drill) -> None:
    """Workers whose clocks jump while they work, and differ by hours: nobody's lease depends on them."""
    jobs = drill.pick(40, 1000)
    clocks = [drill.stack.folder / "faults" / f"clock-{number}" for number in range(2)]
    skewed = [
        drill.stack.replica("worker", clock.name, WORKER, _with_clock(clock)) for clock in clocks
    ]
    await asyncio.gather(*(worker.stop() for worker in drill.stack.workers))
    for clock, worker in zip(clocks, skewed, strict=True):
        clock.write_text("+0")
        worker.start()
    try:
        await asyncio.gather(*(worker.ready() for worker in skewed))
        load = asyncio.create_task(drill.load().run(jobs))
        for number, offsets in enumerate((("+1h", "-1h"), ("-10h", "+10h"), ("+0", "+0"))):
            await drill.ended(jobs * (number + 1) // 5)
            drill.history.fault("clocks", offsets=offsets)
            for clock, offset in zip(clocks, offsets, strict=True):
                clock.write_text(offset)
        await load
        await drill.quiet()
        state = await drill.judge()
    finally:
        await asyncio.gather(*(worker.stop() for worker in skewed))
    drill.figure(
        1,
        "the clocks of 2 workers jump up to 20 hours apart and back",
        f"{len(state.jobs)} jobs, 0 lost, 0 doubled",
    )


def _with_clock(file: Path) -> dict[str, str]:
    """Variables that let a process take its time of day from the machine's and an offset in `file`."""
    return {
        "LD_PRELOAD": str(FAKETIME.path),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


async def test_promise_06_poison_stays_apart(drill: Drill) -> None:
    """Jobs that always throw or crash their worker end after exactly N attempts; others don't suffer."""
    jobs, poison, attempts = drill.pick(60, 1000), drill.pick(2, 10), drill.pick(3, 5)
    # Half of what three workers can do: while one is gone, the others must be able to do all of it.
    think = 0.15 if drill.profile.is_long else 0.02
    began_at = time.monotonic()
    await drill.load(think).run(jobs)
    pause = (time.monotonic() - began_at) / poison
    await drill.quiet()
    before = await drill.p95_of_exports()
    began = await drill.stack.sql("SELECT now()")
    load = asyncio.create_task(drill.load(think).run(jobs))
    bad: set[str] = set()
    for _ in range(poison):
        for does in ("throw", "crash"):
            bad |= await drill.add_jobs(1, does, attempts=attempts)
        await asyncio.sleep(pause)
    await load
    await drill.quiet(drill.pick(60, 150))  # the pauses between five attempts are up to 81 s
    after = await drill.p95_of_exports(began)
    state = await drill.judge()
    ended = {(state.jobs[each].status, state.jobs[each].attempts) for each in bad}
    assert ended == {("failed", attempts)}
    if drill.profile.is_long:
        assert after < 2 * before, (before, after)
    drill.figure(
        6,
        f"{poison} jobs that always throw and {poison} that kill their worker among {jobs} exports",
        f"each failed after exactly {attempts} attempts; p95 of the others {after / before:.1f} × "
        f"({before:.0f} → {after:.0f} ms)",
    )


async def test_promise_12_graceful_stop(drill: Drill) -> None:
    """SIGTERM with open event streams and running jobs: all end soon, and nothing is lost."""
    streams = drill.pick(40, 500)
    await drill.add_jobs(4, "last", seconds=drill.pick(4, 20))
    async with watching(drill, streams) as watchers, drill.loaded():
        await asyncio.gather(*(watcher.ready.wait() for watcher in watchers))
        drill.history.fault("SIGTERM", streams=streams)
        times = await asyncio.gather(*(replica.stop() for replica in drill.stack.replicas))
        assert max(times) <= drill.pick(14, 10), times
        for replica in drill.stack.replicas:
            replica.start()
    await drill.quiet()
    await drill.judge()
    drill.figure(
        12,
        f"SIGTERM to all APIs and workers with {streams} event streams and running jobs",
        f"the last one ended after {max(times):.1f} s; 0 lost",
    )
