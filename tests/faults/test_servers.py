"""Servers die, stop and fill up under load: nothing that was acknowledged is lost."""

import asyncio
import math
import signal
import subprocess
import time

import pytest

from drill import Drill, Window, p99
from generator import export, sign_in
from waiting import eventually

pytestmark = pytest.mark.anyio


async def test_promise_02_the_api_does_not_need_the_broker(drill: Drill) -> None:
    """While the broker is away exports are accepted as quickly as before; then all are done."""
    seconds = drill.pick(5, 60)
    proxy = drill.stack.proxies["rabbitmq"]
    async with drill.loaded():
        with drill.fault("nothing") as before:
            await asyncio.sleep(seconds)
        with drill.fault("broker away", seconds=seconds) as away:
            await proxy.cut()
            await asyncio.gather(asyncio.sleep(seconds), drill.stack.restart_server("rabbitmq"))
        await proxy.heal()
    drained = await drill.quiet()
    await drill.judge()
    accepted = [call for call in drill.calls(away, "export") if call.is_acknowledged]
    failed = [call for call in drill.calls(away) if call.status is None or call.status >= 500]
    assert accepted
    assert not failed
    ratio = p99(drill.calls(away, "export")) / p99(drill.calls(before, "export"))
    # Of a few hundred calls beside a server that starts on the same cores: the figure is of the long profile.
    assert ratio < drill.pick(10, 3)
    drill.figure(
        2,
        f"broker away for {away.ended - away.began:.0f} s under load",
        f"{len(accepted)} exports accepted meanwhile, none refused, p99 {ratio:.2f} × that of before; "
        f"backlog clear {drained:.0f} s after its return; 0 lost",
    )


async def test_promise_03_confirmed_messages_survive_the_broker(drill: Drill) -> None:
    """kill -9 of the broker while messages wait in it: all are there afterwards."""
    count = drill.pick(50, 1000)
    for worker in drill.stack.workers:
        worker.send(signal.SIGSTOP)
    for _ in range(count):
        assert await export(drill.client, drill.users[0])
    await eventually(drill.all_sent, 20, "all messages confirmed")
    drill.history.fault("kill", process="rabbitmq")
    await drill.stack.restart_server("rabbitmq")

    async def kept() -> bool:
        queue = await drill.stack.management("GET", "queues/%2F/jobs")
        return bool(queue.get("messages", 0) >= count)

    await eventually(kept, 30, f"{count} messages in the queue")
    for worker in drill.stack.workers:
        worker.send(signal.SIGCONT)
    drained = await drill.quiet()
    await drill.judge()
    drill.figure(
        3,
        f"kill -9 of the broker that holds {count} confirmed messages",
        f"{count} messages were there afterwards; 0 lost, all done {drained:.0f} s later",
    )


@pytest.mark.parametrize("alarm", ["memory", "disk"])
async def test_promise_03_the_broker_takes_no_messages(drill: Drill, alarm: str) -> None:
    """While an alarm blocks all publishers, exports are accepted; then all are done."""
    if alarm == "disk" and not drill.profile.is_long:
        pytest.skip("the same as memory: for the long profile")
    low, normal = {
        "memory": (
            ("set_vm_memory_high_watermark", "0.00001"),
            ("set_vm_memory_high_watermark", "0.4"),
        ),
        "disk": (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "50MB")),
    }[alarm]

    async def raised() -> bool:
        node = (await drill.stack.management("GET", "nodes"))[0]
        return bool(node["mem_alarm"] or node["disk_free_alarm"])

    with drill.fault(f"{alarm} alarm") as blocked:
        await drill.stack.rabbitmqctl(*low)
        try:
            await eventually(raised, 20, "the alarm")
            async with drill.loaded():
                await asyncio.sleep(drill.pick(3, 30))
            waiting = int(await drill.stack.sql("SELECT count(*) FROM outbox"))
        finally:
            await drill.stack.rabbitmqctl(*normal)
    drained = await drill.quiet()
    await drill.judge()
    accepted = [call for call in drill.calls(blocked, "export") if call.is_acknowledged]
    assert accepted
    assert waiting
    drill.figure(
        3,
        f"{alarm} alarm of the broker for {blocked.ended - blocked.began:.0f} s",
        f"{len(accepted)} exports accepted meanwhile, {waiting} waited in the outbox; 0 lost, all done "
        f"{drained:.0f} s after",
    )


async def test_promise_05_a_2xx_is_durable(drill: Drill) -> None:
    """kill -9 of PostgreSQL in the middle of requests: what was acknowledged has its row."""
    kills = drill.pick(2, 10)
    async with drill.loaded(pause=0.0):
        for _ in range(kills):
            await asyncio.sleep(drill.chance.uniform(0.5, 2))
            drill.history.fault("kill", process="postgres")
            await drill.stack.restart_server("postgres")
        await asyncio.sleep(1)
    await drill.quiet()
    await drill.judge()
    calls = list(drill.history.calls())
    good = sum(call.is_acknowledged for call in calls)
    unknown = sum(call.status is None for call in calls)
    drill.figure(
        5,
        f"{kills} × kill -9 of PostgreSQL during {len(calls)} requests",
        f"{good} of them got a 2xx, all with their row; {unknown} without an answer",
    )


async def test_promise_08_an_unroutable_publish_is_noticed(drill: Drill) -> None:
    """Without the binding the row stays pending and says why; with it, the job is done."""
    stack = drill.stack
    with drill.fault("binding deleted"):
        await stack.management("DELETE", "bindings/%2F/e/jobs/q/jobs/jobs")
        job = await export(drill.client, drill.users[0])
        assert job

        async def told() -> str:
            return await stack.sql("SELECT error FROM outbox WHERE job_id = :'job'", job=job)

        said = await eventually(told, 15, "the row says why")
        body = {"routing_key": "jobs", "arguments": {}}
        await stack.management("POST", "bindings/%2F/e/jobs/q/jobs", body)
    began = time.monotonic()
    await drill.quiet()
    await drill.judge()
    drill.figure(
        8,
        "the queue's binding deleted, an export asked for, the binding declared again",
        f"the row stayed and said “{said}”; done {time.monotonic() - began:.0f} s after",
    )


async def test_promise_09_postgresql_restarts(drill: Drill) -> None:
    """While PostgreSQL is away the answer is 503 with Retry-After; soon after its return all is well."""
    seconds = drill.pick(4, 30)
    proxy = drill.stack.proxies["postgres"]
    async with drill.loaded():
        await asyncio.sleep(1)
        connections = await drill.connections()
        with drill.fault("database away", seconds=seconds) as away:
            await proxy.cut()
            await asyncio.gather(asyncio.sleep(seconds), drill.stack.restart_server("postgres"))
        await proxy.heal()
        await asyncio.sleep(6)
    back = [
        call for call in drill.history.calls() if call.began >= away.ended and call.is_acknowledged
    ]
    bad = [
        call
        for call in drill.history.calls()
        if call.began >= away.ended + drill.limit(5) and call.status == 503
    ]
    refused = sum(call.status == 503 for call in drill.calls(away))
    await drill.quiet()
    await drill.judge()
    assert refused
    assert back
    assert not bad
    recovery = back[0].ended - away.ended if back[0].ended else 0
    assert recovery <= drill.limit(5)
    assert await drill.connections() <= connections + 10
    drill.figure(
        9,
        f"PostgreSQL away for {away.ended - away.began:.0f} s under load",
        f"{refused} × 503, each with Retry-After; first success {recovery:.1f} s after its return; "
        "0 lost, no connection leaked",
    )


async def test_promise_10_redis_is_never_the_only_truth(drill: Drill) -> None:
    """Without Redis everything works; a flush loses sessions, which can be begun anew, and nothing else."""
    seconds = drill.pick(4, 30)
    proxy = drill.stack.proxies["redis"]
    async with drill.loaded():
        with drill.fault("redis away", seconds=seconds) as away:
            await proxy.cut()
            await asyncio.gather(asyncio.sleep(seconds), drill.stack.restart_server("redis"))
        await proxy.heal()
    await drill.quiet()
    await drill.judge()
    calls = [call for call in drill.calls(away) if call.name in ("export", "users", "jobs")]
    assert calls
    assert all(call.is_acknowledged for call in calls), _statuses(drill, away)
    await drill.stack.flush_redis()
    drill.stack.signed_in = -math.inf
    assert await export(drill.client, drill.users[0]) is None
    await sign_in(drill.client, drill.users[0], drill.password)
    assert await export(drill.client, drill.users[0])
    drill.figure(
        10,
        f"Redis away for {away.ended - away.began:.0f} s under load, then flushed",
        f"{len(drill.calls(away))} requests meanwhile, none failed; 0 lost; the flush ended all sessions",
    )


async def test_promise_01_the_storage_dies(drill: Drill) -> None:
    """kill -9 of the storage during exports: each ends with one whole file."""
    jobs, kills = drill.pick(30, 1000), drill.pick(1, 10)
    load = asyncio.create_task(drill.load().run(jobs))
    for moment in sorted(drill.chance.sample(range(jobs * 3 // 4), kills)):
        await drill.ended(moment)
        drill.history.fault("kill", process="storage")
        await drill.stack.restart_server("storage")
    await load
    drained = await drill.quiet()
    state = await drill.judge()
    drill.figure(
        1,
        f"{kills} × kill -9 of the storage during {len(state.jobs)} exports",
        f"0 lost, 0 truncated, 0 doubled; all done {drained:.0f} s after the last request",
    )


async def test_promise_01_the_disk_is_full(drill: Drill) -> None:
    """An export that finds the storage's disk full says so, and is done once there is room."""
    folder = drill.stack.bucket_folder() / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1,mode=777", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        with drill.fault("disk full"):
            job = await export(drill.client, drill.users[0])
            assert job

            async def told() -> str:
                return await drill.stack.sql("SELECT error FROM jobs WHERE id = :'job'", job=job)

            said = await eventually(told, 40, "the job says why")
            assert "disk may be full" in said
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    await drill.quiet()
    await drill.judge()
    drill.figure(
        1, "the storage's disk is full", f"the job said “{said}” and was done once there was room"
    )


def _statuses(drill: Drill, window: Window) -> str:
    return str({(call.name, call.status, call.answer.get("code")) for call in drill.calls(window)})
