"""Workers die, and jobs that can't be done: nothing is lost, nothing is done twice."""

import asyncio
import signal
import time

import pytest

from drill import Drill
from streams import watching

pytestmark = pytest.mark.anyio


async def test_promise_01_workers_are_killed(drill: Drill) -> None:
    """kill -9 of a random worker, again and again during many jobs: each is done exactly once."""
    jobs, kills = drill.pick(120, 10_000), drill.pick(6, 100)
    moments = sorted(drill.chance.sample(range(jobs * 9 // 10), kills))
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
    state = await drill.judge()
    again = sum(job.attempts > 1 for job in state.jobs.values())
    drill.figure(
        1,
        f"{kills} × kill -9 of one of 3 workers during {len(state.jobs)} jobs",
        f"0 lost, 0 doubled, 0 innocent dead letters; {again} jobs had a further attempt; "
        f"all ended {seconds:.0f} s after the last kill",
    )


async def test_promise_06_poison_stays_apart(drill: Drill) -> None:
    """Jobs that always throw or crash their worker end after exactly N attempts; others don't suffer."""
    jobs, poison, attempts = drill.pick(60, 1000), drill.pick(2, 10), drill.pick(3, 5)
    await drill.load(pause=0.02).run(jobs)
    await drill.quiet()
    before = await drill.p95_of_exports()
    began = await drill.stack.sql("SELECT now()")
    load = asyncio.create_task(drill.load(pause=0.02).run(jobs))
    bad = await drill.add_jobs(poison, "throw", attempts=attempts)
    bad |= await drill.add_jobs(poison, "crash", attempts=attempts)
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
