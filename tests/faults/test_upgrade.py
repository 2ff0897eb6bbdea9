"""An upgrade beside a running system: the code of before works on the schema of now."""

import asyncio
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from drill import Drill
from generator import Client, Generator, sign_in
from groundplan.runtime.native.requirements import PythonEnvironment
from harness import ROOT
from stack import API, User

pytestmark = pytest.mark.anyio
API_CODE = "services/api"
MIGRATIONS = f"{API_CODE}/migrations/versions"
DATABASE = "upgrade_drill"
OWN = {"POSTGRES_DB": DATABASE, "REDIS_PREFIX": f"{DATABASE}:"}


@pytest.fixture
def old_code(tmp_path: Path) -> Path:
    """The API as it was before the newest migration was added."""
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", MIGRATIONS)
    before = _git("rev-parse", "--quiet", "--verify", f"{added.decode().strip()}^")
    if not before:
        pytest.skip("git's history does not reach back to before the newest migration")
    archive = _git("archive", before.decode().strip(), API_CODE)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tmp_path, filter="data")
    code = tmp_path / API_CODE
    (code / "requirements-dev.lock").unlink()
    PythonEnvironment(code).fetch(lambda _: None)
    return code


def _git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True).stdout


async def test_promise_23_old_code_on_the_new_schema(drill: Drill, old_code: Path) -> None:
    """While old APIs are in use the schema is migrated, and new ones start beside them: no request fails."""
    seconds, stack = drill.pick(3, 30), drill.stack
    await stack.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    await stack.sql(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
    await stack.migrate(old_code, OWN)
    old = [stack.replica("api", f"api-old-{n}", API, OWN, old_code) for n in range(2)]
    new = [stack.replica("api", "api-new", API, OWN)]
    both = Client([*old, *new], drill.history)
    before = Client(old, drill.history)
    admin = User("", stack.environment["ADMIN_EMAIL"])
    try:
        for api in old:
            api.start()
        await asyncio.gather(*(api.ready() for api in old))
        await sign_in(before, admin, drill.password)
        load = Generator(before, [admin] * 3, f"{drill.name}/{drill.profile.seed}/1", pause=0.05)
        asking = asyncio.create_task(load.run(10**9))
        await asyncio.sleep(seconds)
        drill.history.fault("migration")
        await stack.migrate(ROOT / API_CODE, OWN)
        drill.history.fault("migration ended")
        await asyncio.sleep(seconds)
        new[0].start()
        await new[0].ready()
        load.stop()
        await asking
        # Whoever signed in at one of them is signed in at the others, too.
        await sign_in(both, admin, drill.password)
        load = Generator(both, [admin] * 3, f"{drill.name}/{drill.profile.seed}/2", pause=0.05)
        asking = asyncio.create_task(load.run(10**9))
        await asyncio.sleep(seconds)
        load.stop()
        await asking
    finally:
        await before.close()
        await both.close()
        await asyncio.gather(*(api.stop() for api in (*old, *new)))
        await stack.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    calls = list(drill.history.calls())
    bad = [
        call
        for call in calls
        if call.status is None or call.status in (401, 403) or call.status >= 500
    ]
    assert not bad, bad[:5]
    drill.figure(
        23,
        "the schema migrated under load, old and new APIs at work at once",
        f"{len(calls)} requests, 0 failed",
    )
