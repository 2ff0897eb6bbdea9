"""APIs die, clients repeat and race: nothing is lost, and what may happen once happens once."""

import asyncio
import signal
import uuid

import pytest

from drill import Drill, administrators
from generator import export, sign_in
from streams import Watcher, watching
from waiting import eventually

pytestmark = pytest.mark.anyio


async def test_promise_04_the_relay_may_die_anywhere(drill: Drill) -> None:
    """kill -9 of a random API, with its relay and sweeper, under load: each job is done exactly once."""
    kills = drill.pick(3, 100)
    async with drill.loaded(pause=0.01):
        for _ in range(kills):
            await asyncio.sleep(drill.chance.uniform(0.3, 1.5))
            api = drill.chance.choice(drill.stack.apis)
            drill.history.fault("kill", process=api.name)
            api.send(signal.SIGKILL)
            await api.ready()
    drained = await drill.quiet()
    state = await drill.judge()
    drill.figure(
        4,
        f"{kills} × kill -9 of one of 2 APIs during {len(state.jobs)} jobs",
        f"0 lost, 0 doubled; all ended {drained:.0f} s after the last request",
    )


async def test_promise_11_one_key_makes_one_job(drill: Drill) -> None:
    """50 requests at once with one Idempotency-Key over two APIs make one job."""
    user, rounds = drill.users[0], drill.pick(2, 20)
    for _ in range(rounds):
        key = uuid.uuid4().hex
        found = await asyncio.gather(
            *(export(drill.client, user, key, api=number) for number in range(50))
        )
        assert await export(drill.client, user, key) in found
    await drill.quiet()
    state = await drill.judge()
    assert len(state.jobs) == rounds
    drill.figure(
        11,
        f"{rounds} × 50 requests at once with one key over 2 APIs",
        "1 job each, also for a later repeat",
    )


async def test_promise_13_streams_reconnect(drill: Drill) -> None:
    """Clients whose streams are dropped come back, and each shows the true state of every job."""
    count, drops = drill.pick(40, 1000), drill.pick(2, 5)
    async with watching(drill, count) as watchers:
        await asyncio.gather(*(watcher.ready.wait() for watcher in watchers))
        async with drill.loaded(pause=0.2):
            for number in range(drops):
                await asyncio.sleep(1)
                api = drill.stack.apis[number % len(drill.stack.apis)]
                drill.history.fault("kill", process=api.name, streams=count)
                api.send(signal.SIGKILL)
                await api.ready()
        await drill.quiet()
        state = await drill.judge()
        truth = {job.id: job.status for job in state.jobs.values()}

        async def all_true() -> bool:
            return not any(_gaps(watcher, truth) for watcher in watchers)

        await eventually(all_true, 60, "every client shows the truth")
    drill.figure(
        13,
        f"{count} event streams, {drops} × kill -9 of the API that holds half of them, {len(truth)} jobs",
        f"0 gaps: all clients show the true end of every job; {sum(w.connections for w in watchers)} connections",
    )


def _gaps(watcher: Watcher, truth: dict[str, str]) -> set[str]:
    return {job for job, status in truth.items() if watcher.jobs.get(job) != status}


async def test_promise_14_refresh_races_have_one_winner(drill: Drill) -> None:
    """20 at once with one refresh token over two APIs: one wins, and the family is dead afterwards."""
    races, at_once = drill.pick(6, 500), 4
    drill.users += await administrators(drill.stack, at_once)
    for _ in range(0, races, at_once):
        await asyncio.gather(*(_race(drill, number) for number in range(-at_once, 0)))
    await drill.judge()
    drill.figure(
        14,
        f"{races} × 20 refreshes at once of one token over 2 APIs",
        "exactly 1 winner each; afterwards neither its tokens nor the old one are accepted",
    )


async def _race(drill: Drill, number: int) -> None:
    user = drill.users[number]
    token = await sign_in(drill.client, user, drill.password)
    answers = await asyncio.gather(*(_refresh(drill, token, api) for api in range(20)))
    winners = [answer for answer in answers if answer]
    assert len(winners) == 1
    assert await _refresh(drill, token) is None
    assert await _refresh(drill, winners[0]["refresh_token"]) is None
    for access in (user.token, winners[0]["access_token"]):
        answer = await drill.client.ask("me", "GET", "/auth/me", access)
        assert answer is not None
        assert answer.status_code == 401


async def _refresh(drill: Drill, token: str, api: int = 0) -> dict[str, str] | None:
    note, body = {"token": token[-12:]}, {"refresh_token": token}
    answer = await drill.client.ask(
        "refresh", "POST", "/auth/refresh", api=api, body=body, note=note
    )
    assert answer is not None
    assert answer.status_code in (200, 401), answer.text
    return dict(answer.json()) if answer.status_code == 200 else None
