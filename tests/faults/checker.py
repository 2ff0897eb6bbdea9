"""Decides whether the promises were kept, from the history and the final state and nothing else.

A job's effect is its object in the storage and its result. Each rule is a function that yields
what is wrong in words; `violations` asks them all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from history import History

FINAL = {"succeeded", "failed", "cancelled"}
# From → to, as in the table of services/api/app/job/domain.py. A worker may claim what another lost.
TRANSITIONS = {
    ("", "queued"),
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("failed", "queued"),
    ("cancelled", "queued"),
}


@dataclass(frozen=True)
class Job:
    """A row of the table of jobs, once all is quiet."""

    id: str
    status: str
    type: str = "export"
    attempts: int = 1
    max_attempts: int = 5
    requested_by: str = ""
    key: str | None = None
    """Of its object."""
    bytes: int | None = None
    error: str | None = None
    is_poison: bool = False
    """True if it can't succeed."""


@dataclass(frozen=True)
class Change:
    """A change of a job's status, as a trigger wrote it down."""

    job: str
    before: str
    after: str


@dataclass(frozen=True)
class State:
    """What PostgreSQL, the storage and the broker hold at the end."""

    jobs: dict[str, Job] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    """In order."""
    objects: dict[str, int] = field(default_factory=dict)
    """Key → bytes."""
    dead: list[str] = field(default_factory=list)
    """Jobs of the messages in the dead-letter queue."""
    unsent: list[str] = field(default_factory=list)
    """Jobs of the rows left in the outbox."""
    roles: set[str] = field(default_factory=set)


def violations(history: History, state: State) -> list[str]:
    """Everything that is wrong; empty if all promises were kept."""
    return [text for rule in RULES for text in rule(history, state)]


def acknowledged_exports_exist(history: History, state: State) -> Iterator[str]:
    """A 2xx is durable."""
    for call in history.calls("export"):
        if call.is_acknowledged and call.answer["job"] not in state.jobs:
            yield f"lost: job {call.answer['job']} was acknowledged and has no row"


def acknowledged_roles_exist(history: History, state: State) -> Iterator[str]:
    """A 2xx is durable, whatever was written."""
    for call in history.calls("role"):
        if call.is_acknowledged and call.asked["role"] not in state.roles:
            yield f"lost: role {call.asked['role']} was acknowledged and has no row"


def jobs_end(history: History, state: State) -> Iterator[str]:
    """Every job ends; as succeeded, unless someone cancelled it or it can't succeed."""
    cancelled = {call.asked["job"] for call in history.calls("cancel")}
    for job in state.jobs.values():
        if job.status not in FINAL:
            yield f"lost: job {job.id} is {job.status} for ever"
        elif job.status == "failed" and not job.is_poison:
            yield f"failed: job {job.id} is innocent ({job.error})"
        elif job.status == "cancelled" and job.id not in cancelled:
            yield f"cancelled: job {job.id}, by nobody"


def jobs_succeed_once(_: History, state: State) -> Iterator[str]:
    """A job succeeds once, and never again."""
    times = Counter(change.job for change in state.changes if change.after == "succeeded")
    for job in state.jobs.values():
        if times[job.id] > 1:
            yield f"doubled: job {job.id} succeeded {times[job.id]} times"
        if job.status == "succeeded" and not times[job.id]:
            yield f"unseen: job {job.id} succeeded and no change says so"


def changes_follow_the_table(_: History, state: State) -> Iterator[str]:
    """No change that the table of states does not know."""
    for change in state.changes:
        known = change.before == change.after or (change.before, change.after) in TRANSITIONS
        if not known:
            yield f"impossible: job {change.job} went from {change.before!r} to {change.after!r}"


def objects_are_exact(_: History, state: State) -> Iterator[str]:
    """A job that succeeded has one whole object; others have none."""
    found: dict[str, list[str]] = defaultdict(list)
    for key in state.objects:
        found[key.split("/")[1]].append(key)
    for job in state.jobs.values():
        keys = found[job.id]
        if job.status != "succeeded" and keys:
            yield f"left: job {job.id} is {job.status} and has {keys}"
        if job.status == "succeeded" and job.key:
            if job.key not in state.objects:
                yield f"lost: the object of job {job.id}"
            elif state.objects[job.key] != job.bytes:
                yield f"truncated: {job.key} has {state.objects[job.key]} of {job.bytes} bytes"
            if len(keys) > 1:
                yield f"doubled: job {job.id} has {sorted(keys)}"


def keys_make_one_job(history: History, state: State) -> Iterator[str]:
    """Repeats with an Idempotency-Key make one job; requests without an answer at most one."""
    made: dict[tuple[str, str], set[str]] = defaultdict(set)
    asked: dict[str, set[str]] = defaultdict(set)
    for call in history.calls("export"):
        user, key = call.asked["user"], call.asked["key"]
        asked[user].add(key)
        if call.is_acknowledged:
            made[user, key].add(call.answer["job"])
    for (user, key), jobs in made.items():
        if len(jobs) > 1:
            yield f"doubled: key {key} of {user} made {sorted(jobs)}"
    rows = Counter(job.requested_by for job in state.jobs.values() if job.type == "export")
    for user, count in rows.items():
        if count > len(asked[user]):
            yield f"doubled: {user} asked for {len(asked[user])} exports and has {count}"


def only_poison_is_dead(_: History, state: State) -> Iterator[str]:
    """No innocent job's message is a dead letter."""
    for job_id in state.dead:
        job = state.jobs.get(job_id)
        if job and not job.is_poison:
            yield f"dead letter: the message of job {job_id}, which is innocent"


def attempts_are_bounded(_: History, state: State) -> Iterator[str]:
    """No job has more attempts than it may."""
    for job in state.jobs.values():
        if job.attempts > job.max_attempts:
            yield f"attempts: job {job.id} had {job.attempts} of {job.max_attempts}"


def outbox_is_empty(_: History, state: State) -> Iterator[str]:
    """All that was to be sent was sent."""
    for job_id in state.unsent:
        yield f"unsent: a message of job {job_id} is still in the outbox"


def tokens_have_one_winner(history: History, _: State) -> Iterator[str]:
    """A refresh token is traded at most once."""
    wins = Counter(call.asked["token"] for call in history.calls("refresh") if call.is_acknowledged)
    for token, count in wins.items():
        if count > 1:
            yield f"doubled: refresh token {token} was traded {count} times"


def answers_are_clear(history: History, _: State) -> Iterator[str]:
    """While something is away, the answer is 503 with Retry-After, and never another 5xx."""
    for call in history.calls():
        if call.status and call.status >= 500 and call.status != 503:
            yield f"answer: {call.name} at {call.began} s got {call.status}: {call.answer}"
        if call.status == 503 and not call.answer.get("retry_after"):
            yield f"answer: {call.name} at {call.began} s got 503 without Retry-After"


RULES = (
    acknowledged_exports_exist,
    acknowledged_roles_exist,
    jobs_end,
    jobs_succeed_once,
    changes_follow_the_table,
    objects_are_exact,
    keys_make_one_job,
    only_poison_is_dead,
    attempts_are_bounded,
    outbox_is_empty,
    tokens_have_one_winner,
    answers_are_clear,
)
