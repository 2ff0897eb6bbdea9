"""One drill: its users, its load, its history, and the judgement at the end."""

import asyncio
import json
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import figures
from checker import Change, Job, State, violations
from generator import Client, Generator, sign_in
from history import Call, History
from stack import Stack, User, array
from waiting import eventually

USERS = 4
TOKENS_S = 600


@dataclass(frozen=True)
class Profile:
    """How much is done: `long` gives the figures of the promises, short is for every change."""

    seed: int
    is_long: bool

    def pick(self, short: int, long: int) -> int:
        """The number for this profile."""
        return long if self.is_long else short


@dataclass
class Window:
    """Seconds of the history."""

    began: float
    ended: float = float("inf")


class Drill:
    """What a scenario works with."""

    def __init__(self, name: str, stack: Stack, profile: Profile) -> None:
        self.name = name
        self.stack = stack
        self.profile = profile
        self.pick = profile.pick
        self.chance = random.Random(f"{name}/{profile.seed}")  # noqa: S311 - replayed from the seed
        self.history = History(stack.folder / "faults" / f"{name}-{profile.seed}.jsonl")
        self.client = Client(stack.apis, self.history)
        self.users: list[User] = []
        self._since = ""
        self._loads = 0
        self.password = stack.environment["ADMIN_PASSWORD"]
        """Of every user."""
        self.poison: set[str] = set()

    async def begin(self) -> None:
        """Note where this drill begins, and whose it is."""
        await self.stack.forget_dead_letters()
        self._since = await self.stack.sql("SELECT clock_timestamp()")
        self.users = [User(user.id, user.email, user.token) for user in await self._signed_in()]

    async def _signed_in(self) -> list[User]:
        """Users of all drills; their tokens hold for a while, and to sign in is much work."""
        stack = self.stack
        if time.monotonic() - stack.signed_in > TOKENS_S:
            stack.users = stack.users or await administrators(stack, USERS)
            for user in stack.users:
                await sign_in(self.client, user, self.password)
            stack.signed_in = time.monotonic()
        return stack.users

    async def end(self) -> None:
        """Close what is open."""
        await self.client.close()
        self.history.close()

    def load(self, pause: float = 0.0) -> Generator:
        """The seeded load of this drill's users."""
        self._loads += 1
        seed = f"{self.name}/{self.profile.seed}/{self._loads}"
        return Generator(self.client, self.users, seed, pause)

    @asynccontextmanager
    async def loaded(self, pause: float = 0.1) -> AsyncIterator[None]:
        """The load goes on as long as the block."""
        load = self.load(pause)
        task = asyncio.create_task(load.run(10**9))
        try:
            yield
        finally:
            load.stop()
            await task

    async def add_jobs(
        self, count: int, does: str, seconds: float = 0, attempts: int = 3
    ) -> set[str]:
        """Add jobs of the drills' own type as the API adds exports; their ids."""
        params = json.dumps({"does": does, "seconds": seconds})
        rows = await self.stack.rows(
            ADD_JOBS,
            user=self.users[0].id,
            params=params,
            attempts=str(attempts),
            count=str(count),
        )
        ids = {row["id"] for row in rows}
        if does != "last":
            self.poison |= ids
        return ids

    async def quiet(self, seconds: float = 60) -> float:
        """Wait until every job ended and every message was sent; seconds that it took."""
        return await self.stack.quiet(self.mine, self.limit(seconds))

    def limit(self, seconds: float) -> float:
        """A promised time, which the long profile holds; machines that test changes are often busy."""
        return seconds if self.profile.is_long else 4 * seconds

    async def all_sent(self) -> bool:
        """Whether the outbox is empty."""
        return await self.stack.sql("SELECT count(*) FROM outbox") == "0"

    async def connections(self) -> int:
        """How many connections to PostgreSQL the APIs hold."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'groundplan-api'"
        return int(await self.stack.sql(query))

    async def ended(self, count: int, seconds: float = 600) -> None:
        """Wait until so many jobs ended."""

        async def look() -> bool:
            return int(await self.stack.sql(COUNT_ENDED, **self.mine)) >= count

        await eventually(look, seconds, f"{count} jobs ended")

    async def p95_of_exports(self, since: str = "") -> float:
        """The 95th percentile of the time from asking to the end, in milliseconds."""
        return float(await self.stack.sql(P95, **self.mine | ({"since": since} if since else {})))

    async def judge(self) -> State:
        """Assert that no rule is violated; returns the final state."""
        await eventually(self._cleaned_up, self.limit(60), "files of failed jobs were deleted")
        state = await self.state()
        found = violations(self.history, state)
        assert not found, "\n".join([f"{len(found)} violations:", *found[:20]])
        return state

    async def _cleaned_up(self) -> bool:
        """Whether the files of jobs that failed or were cancelled are deleted: a dead worker's stay at first."""
        return await self.stack.sql(UNCLEAN, **self.mine) == "0"

    async def state(self) -> State:
        """What PostgreSQL, storage and broker hold of this drill."""
        rows = await self.stack.rows(JOBS, **self.mine)
        jobs = {row["id"]: _job(row, is_poison=row["id"] in self.poison) for row in rows}
        changes = await self.stack.rows(CHANGES, **self.mine)
        unsent = await self.stack.rows(UNSENT, **self.mine)
        roles = await self.stack.rows("SELECT name FROM roles")
        objects = await self.stack.objects()
        return State(
            jobs,
            [Change(**row) for row in changes],
            {key: size for key, size in objects.items() if key.split("/")[1] in jobs},
            await self.stack.dead_letters(),
            [row["job_id"] for row in unsent],
            {row["name"] for row in roles},
        )

    @property
    def mine(self) -> dict[str, str]:
        """Values for SQL: whose jobs are this drill's, and since when."""
        return {"users": array(user.id for user in self.users), "since": self._since}

    @contextmanager
    def fault(self, name: str, **what: object) -> Iterator[Window]:
        """A fault that lasts as long as the block, and the time that it took."""
        window = Window(self.history.now)
        self.history.fault(name, **what)
        yield window
        window.ended = self.history.now
        self.history.fault(f"{name} ended")

    def calls(self, window: Window, name: str = "") -> list[Call]:
        """The calls that began in it."""
        return [
            call for call in self.history.calls(name) if window.began <= call.began < window.ended
        ]

    def figure(self, promise: int, what: str, measured: str) -> None:
        """Write down what was measured; the long profile puts it into the documents."""
        figures.record(self.profile.is_long, promise, what, measured, self.name, self.profile.seed)


def p99(calls: Iterable[Call]) -> float:
    """The 99th percentile of their time in milliseconds."""
    times = [(call.ended - call.began) * 1000 for call in calls if call.ended is not None]
    return statistics.quantiles(times, n=100)[98] if len(times) > 1 else 0.0


async def administrators(stack: Stack, count: int) -> list[User]:
    """New administrators with the password of the first one."""
    email = stack.environment["ADMIN_EMAIL"]
    rows = await stack.rows(ADD_USERS, email=email, count=str(count))
    return [User(row["id"], row["email"]) for row in rows]


def _job(row: dict[str, str], *, is_poison: bool) -> Job:
    return Job(
        row["id"],
        row["status"],
        row["type"],
        int(row["attempts"]),
        int(row["max_attempts"]),
        row["requested_by"],
        row["key"] or None,
        int(row["bytes"]) if row["bytes"] else None,
        row["error"] or None,
        is_poison,
    )


ADD_USERS = """
INSERT INTO users (email, name, password_hash, role_id)
SELECT 'drill-' || gen_random_uuid() || '@example.com', 'Drill', password_hash, role_id
FROM users, generate_series(1, :'count'::int) WHERE email = :'email' RETURNING id, email"""
ADD_JOBS = """
INSERT INTO jobs (type, params, max_attempts, requested_by)
SELECT 'drill', :'params'::jsonb, :'attempts'::int, :'user'::uuid
FROM generate_series(1, :'count'::int) RETURNING id"""
COUNT_ENDED = """
SELECT count(*) FROM jobs
WHERE finished_at IS NOT NULL AND requested_by = ANY(:'users') AND created_at >= :'since'"""
P95 = """
SELECT percentile_cont(0.95) WITHIN GROUP (
    ORDER BY extract(epoch FROM finished_at - created_at) * 1000)
FROM jobs WHERE type = 'export' AND status = 'succeeded'
    AND requested_by = ANY(:'users') AND created_at >= :'since'"""
JOBS = """
SELECT id, status, type, attempts, max_attempts, requested_by, error, result->>'key' AS key,
    result->>'bytes' AS bytes
FROM jobs WHERE requested_by = ANY(:'users') AND created_at >= :'since'"""
UNCLEAN = """
SELECT count(*) FROM jobs
WHERE status IN ('failed', 'cancelled') AND claims > 0 AND file_deleted_at IS NULL
    AND requested_by = ANY(:'users') AND created_at >= :'since'"""
CHANGES = """
SELECT job, before, after FROM ledger JOIN jobs ON jobs.id = job
WHERE requested_by = ANY(:'users') AND created_at >= :'since' ORDER BY ledger.id"""
UNSENT = """
SELECT job_id FROM outbox JOIN jobs ON jobs.id = job_id
WHERE requested_by = ANY(:'users') AND jobs.created_at >= :'since'"""
