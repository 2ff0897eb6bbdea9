"""The states of jobs, by a model: random histories, with workers that hold stale claims."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app.auth.sessions import Principal
from app.core.errors import ConflictError
from app.database import Database
from app.job.domain import TRANSITIONS, JobEvent, JobPriority, JobStatus, allows
from app.job.repository import JobRepository
from app.job.service import JobService
from app.role.domain import Permission
from app.settings import Settings
from tests import database

MAX_ATTEMPTS = 3
FILE = '{"key": "exports/x/1/users.csv"}'
Q, R, S, F, C = JobStatus
T = TypeVar("T")


@dataclass
class Expected:
    """What the model knows of a job."""

    status: JobStatus = Q
    attempts: int = 0
    claims: int = 0
    losses: int = 0
    token: UUID | None = None
    is_silent: bool = False
    cancel_requested: bool = False
    discarded: bool = False

    def end_attempt(self, *, permanent: bool = False) -> None:
        """What becomes of it without success."""
        self.token = None
        self.losses += self.is_silent
        if self.cancel_requested:
            self.status = C
        elif permanent or self.attempts >= MAX_ATTEMPTS:
            self.status = F
        else:
            self.status = Q


@dataclass(frozen=True)
class Held:
    """What a worker remembers of its claim, true or stale."""

    job: UUID
    token: UUID


@dataclass
class Servers:
    """The database, the way workers and the API see it."""

    runner: asyncio.Runner
    api: Database
    plain: "asyncpg.Connection"
    users: list[UUID]

    def run(self, work: Awaitable[T]) -> T:
        """Wait for something."""

        async def wait() -> T:
            return await work

        return self.runner.run(wait())

    def worker(self, call: str, *values: Any) -> Any:
        """Call a function of PostgreSQL, as a worker does."""
        return self.run(self.plain.fetchval(f"SELECT {call}", *values))

    def rows(self) -> dict[UUID, dict[str, Any]]:
        """The table of jobs."""
        rows = self.run(self.plain.fetch("SELECT *, enqueued_at <= now() AS is_due FROM jobs"))
        return {row["id"]: dict(row) for row in rows}

    def ask(self, use: Callable[[JobService, Principal], Awaitable[object]]) -> bool:
        """Use the API's service; whether it took the wish."""

        async def ask() -> None:
            async with self.api.transaction() as session:
                await use(JobService(session), admin(self.users[0]))

        try:
            self.runner.run(ask())
        except ConflictError:
            return False
        return True


def admin(user_id: UUID) -> Principal:
    """Somebody who may do everything."""
    return Principal(
        id=user_id,
        email="a@example.com",
        name="A",
        role_id=user_id,
        role="admin",
        permissions=frozenset(Permission),
        version=1,
        is_active=True,
    )


class Jobs(RuleBasedStateMachine):
    """Each rule does one thing to PostgreSQL and to the model; then both must agree."""

    servers: Servers
    ids = Bundle("ids")
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[UUID, Expected] = {}
        self.served: dict[UUID, int] = {}
        self.found = 0

    @initialize()
    def empty(self) -> None:
        """Begin with no job."""
        tables = "jobs, job_turns, outbox"
        self.servers.run(self.servers.plain.execute(f"TRUNCATE {tables}"))

    @rule(target=ids, user=st.integers(0, 2), priority=st.sampled_from(JobPriority))
    def create(self, user: int, priority: JobPriority) -> UUID:
        """Somebody asks for a job."""
        # In the same order each time a history is repeated: among equals the lower id is first.
        job_id = UUID(int=len(self.jobs) + 1)

        async def create() -> None:
            async with self.servers.api.transaction() as session:
                job = await JobRepository(session).create(
                    job_id, "export", {}, self.servers.users[user], priority
                )
                job.max_attempts = MAX_ATTEMPTS

        self.servers.run(create())
        self.jobs[job_id] = Expected()
        return job_id

    @rule(target=held)
    def claim(self) -> Any:
        """A worker takes the job whose turn it is, and asks again as if it had not heard."""
        turn, token = self._whose_turn(), uuid4()
        for _ in range(2):
            assert self.servers.worker("id FROM claim_job($1, 60)", token) == turn
            if turn is None:
                return multiple()
        assert turn
        job = self.jobs[turn]
        self._happens(turn, JobEvent.CLAIM, R)
        job.attempts += 1
        job.claims += 1
        job.token, job.is_silent = token, False
        self.found += 1
        user = self.servers.rows()[turn]["requested_by"]
        self.served[user] = self.found
        return Held(turn, token)

    @rule(held=held, done=st.integers(0, 9))
    def extend(self, held: Held, done: int) -> None:
        """A worker, perhaps one that was thought dead, says how far it is."""
        answer = self.servers.worker("extend_job($1, $2, 60, $3, 9)", held.job, held.token, done)
        job = self._held(held)
        if job is None:
            assert answer == "lost"
        else:
            assert answer == ("cancel" if job.cancel_requested else "held")
            job.is_silent = False

    @rule(held=held)
    def succeed(self, held: Held) -> None:
        """A worker says that the work is done."""
        answer = self.servers.worker("succeed_job($1, $2, $3, 9, 9)", held.job, held.token, FILE)
        job = self.jobs[held.job]
        is_said_again = job.status == S and job.token == held.token
        assert answer == (self._held(held) is not None or is_said_again)
        if self._held(held):
            self._happens(held.job, JobEvent.SUCCEED, S)

    @rule(held=held, permanent=st.booleans())
    def fail(self, held: Held, permanent: bool) -> None:
        """A worker says that its attempt failed."""
        answer = self.servers.worker(
            "fail_job($1, $2, 'no luck', $3)", held.job, held.token, permanent
        )
        if job := self._held(held):
            job.end_attempt(permanent=permanent)
            self._happened(JobEvent.FAIL, job)
            self._put_off()
            assert answer == job.status
        else:
            assert answer is None

    @rule(held=held)
    def put_back(self, held: Held) -> None:
        """A worker stops in order."""
        answer = self.servers.worker("put_back_job($1, $2)", held.job, held.token)
        if job := self._held(held):
            job.attempts -= 1
            job.end_attempt()
            self._happened(JobEvent.PUT_BACK, job)
            self._put_off()
            assert answer == job.status
        else:
            assert answer is None

    @rule(held=held)
    def confirm_cancel(self, held: Held) -> None:
        """A worker ends a job that was to be cancelled."""
        job = self._held(held)
        answer = self.servers.worker("cancel_job($1, $2)", held.job, held.token)
        assert answer == (job is not None and job.cancel_requested)
        if answer:
            self._happens(held.job, JobEvent.CONFIRM_CANCEL, C)
            self.jobs[held.job].token = None

    @rule(held=held)
    def fall_silent(self, held: Held) -> None:
        """A lease runs out; the worker may come back."""
        if job := self._held(held):
            job.is_silent = True
            past = "UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE id = $1"
            self.servers.run(self.servers.plain.execute(past, held.job))

    @rule()
    def sweep(self) -> None:
        """The sweeper takes jobs from silent workers."""
        silent = [job for job in self.jobs.values() if job.status == R and job.is_silent]
        assert self.servers.worker("expired FROM sweep_jobs()") == len(silent)
        for job in silent:
            job.end_attempt()
            self._happened(JobEvent.EXPIRE, job)
        self._put_off()

    @rule(job_id=ids)
    def cancel(self, job_id: UUID) -> None:
        """A user cancels a job."""
        job = self.jobs[job_id]
        taken = self.servers.ask(lambda service, user: service.cancel(user, job_id))
        assert taken == allows(job.status, JobEvent.CANCEL)
        if taken:
            job.cancel_requested = True
            self._happens(job_id, JobEvent.CANCEL, C if job.status == Q else R)

    @rule(job_id=ids)
    def retry(self, job_id: UUID) -> None:
        """A user starts a job over."""
        job = self.jobs[job_id]
        taken = self.servers.ask(lambda service, user: service.retry(user, job_id))
        assert taken == allows(job.status, JobEvent.RETRY)
        if taken:
            self._happens(job_id, JobEvent.RETRY, Q)
            self.jobs[job_id] = Expected(claims=job.claims, losses=job.losses)

    @rule(job_id=ids)
    def discard(self, job_id: UUID) -> None:
        """A user takes a job off the list of the dead."""
        job = self.jobs[job_id]
        taken = self.servers.ask(lambda service, user: service.discard(user, job_id))
        assert taken == allows(job.status, JobEvent.DISCARD)
        job.discarded |= taken

    @rule()
    def wait(self) -> None:
        """Whatever was to be tried later is due."""
        due = "UPDATE jobs SET enqueued_at = now() WHERE enqueued_at > now()"
        self.servers.run(self.servers.plain.execute(due))

    @invariant()
    def agree(self) -> None:
        """PostgreSQL holds what the model holds, and no job lacks a message that wakes a worker."""
        rows = self.servers.rows()
        assert rows.keys() == self.jobs.keys()
        for job_id, job in self.jobs.items():
            row = rows[job_id]
            assert row["status"] == job.status
            assert (row["attempts"], row["claims"]) == (job.attempts, job.claims)
            assert row["worker_losses"] == job.losses
            assert row["attempts"] <= MAX_ATTEMPTS
            assert row["cancel_requested"] == job.cancel_requested
            assert (row["lease_expires_at"] is not None) == (job.status == R)
            assert (row["finished_at"] is not None) == (job.status in {S, F, C})
            assert (row["result"] is not None) == (job.status == S)
            assert (row["expires_at"] is not None) == (job.status == S)
            assert (row["discarded_at"] is not None) == job.discarded
        waiting = sum(job.status == Q for job in self.jobs.values())
        messages = self.servers.worker("count(*) FROM outbox")
        assert messages - self.found >= waiting

    def _put_off(self) -> None:
        """What is to be tried later is due when `wait` says so, however slow this machine is."""
        later = "UPDATE jobs SET enqueued_at = now() + interval '1 h' WHERE enqueued_at > now()"
        self.servers.run(self.servers.plain.execute(later))

    def _whose_turn(self) -> UUID | None:
        due = [row for row in self.servers.rows().values() if row["status"] == Q and row["is_due"]]
        if not due:
            return None
        first = min(
            due,
            key=lambda row: (
                -row["priority"],
                self.served.get(row["requested_by"], 0),
                row["requested_by"],
                row["enqueued_at"],
                row["id"],
            ),
        )
        found: UUID = first["id"]
        return found

    def _held(self, held: Held) -> Expected | None:
        """The job, if the claim still counts."""
        job = self.jobs[held.job]
        return job if job.status == R and job.token == held.token else None

    def _happens(self, job_id: UUID, event: JobEvent, after: JobStatus) -> None:
        job = self.jobs[job_id]
        assert after in TRANSITIONS[job.status, event]
        job.status = after

    @staticmethod
    def _happened(event: JobEvent, job: Expected) -> None:
        assert job.status in TRANSITIONS[R, event]


@pytest.fixture
def servers(own_settings: Settings, anyio_backend: str) -> Iterator[Servers]:  # noqa: ARG001 - own_settings needs it
    """A database of this test alone, with three users."""
    with asyncio.Runner() as runner:
        api = Database(own_settings, own_settings.postgres_role)
        plain = runner.run(connect(own_settings))
        users = runner.run(create_users(plain))
        yield Servers(runner, api, plain, sorted(users))
        runner.run(plain.close())
        runner.run(api.close())


async def connect(settings: Settings) -> "asyncpg.Connection":
    """A connection on the loop of the test."""
    return await database.connect(settings, settings.postgres_db)


async def create_users(connection: "asyncpg.Connection") -> list[UUID]:
    """Three who may ask for jobs."""
    rows = await connection.fetch(
        "INSERT INTO users (email, name, password_hash, role_id)"
        " SELECT n || '@model.example', 'N', 'x', (SELECT id FROM roles LIMIT 1)"
        " FROM generate_series(1, 3) n RETURNING id"
    )
    return [row["id"] for row in rows]


def test_every_history_keeps_to_the_table(servers: Servers) -> None:
    """Whatever workers, users and the sweeper do, in any order, the table of states holds."""
    machine = type("JobsHere", (Jobs,), {"servers": servers})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
