"""The checker finds what is wrong in histories that were made up, and nothing in a good one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from checker import Change, Job, State, violations
from history import History

GOOD = Job("j1", "succeeded", requested_by="u", key="exports/j1/1/f.csv", bytes=10)


def story() -> History:
    """One export that was acknowledged, and one role."""
    history = History()
    history.answer(history.call("export", user="u", key="k"), 202, job="j1")
    history.answer(history.call("role", role="r"), 201)
    return history


def outcome(job: Job = GOOD) -> State:
    """What is left of it if all is well."""
    changes = [
        Change("j1", "", "queued"),
        Change("j1", "queued", "running"),
        Change("j1", "running", "succeeded"),
    ]
    return State({job.id: job}, changes, {"exports/j1/1/f.csv": 10}, roles={"r"})


def test_a_good_run_has_no_violations() -> None:
    """All rules are kept by a job that was done."""
    assert violations(story(), outcome()) == []


ENDINGS = {
    "lost: job j1 was acknowledged": lambda state: replace(state, jobs={}),
    "lost: role r": lambda state: replace(state, roles=set()),
    "lost: job j1 is running": lambda _: outcome(replace(GOOD, status="running")),
    "lost: the object": lambda state: replace(state, objects={}),
    "truncated": lambda state: replace(state, objects={"exports/j1/1/f.csv": 9}),
    "doubled: job j1 has": lambda state: replace(
        state, objects={**state.objects, "exports/j1/2/f.csv": 10}
    ),
    "doubled: job j1 succeeded 2 times": lambda state: replace(
        state, changes=[*state.changes, Change("j1", "running", "succeeded")]
    ),
    "impossible": lambda state: replace(
        state, changes=[*state.changes, Change("j1", "succeeded", "running")]
    ),
    "unseen": lambda state: replace(state, changes=[]),
    "doubled: u asked for 1": lambda state: replace(
        state, jobs={**state.jobs, "j2": replace(GOOD, id="j2", status="cancelled")}
    ),
    "failed: job j1 is innocent": lambda _: outcome(replace(GOOD, status="failed")),
    "cancelled: job j1, by nobody": lambda _: outcome(replace(GOOD, status="cancelled")),
    "left: job j1": lambda _: outcome(replace(GOOD, status="cancelled")),
    "dead letter": lambda state: replace(state, dead=["j1"]),
    "attempts": lambda _: outcome(replace(GOOD, attempts=6)),
    "unsent": lambda state: replace(state, unsent=["j1"]),
}


@pytest.mark.parametrize("said", ENDINGS)
def test_a_bad_end_is_found(said: str) -> None:
    """Each loss, each doubling and each trace that should not be there is told."""
    change: Callable[[State], State] = ENDINGS[said]
    assert any(text.startswith(said) for text in violations(story(), change(outcome())))


def test_two_jobs_of_one_key_are_found() -> None:
    """A repeat that made a second job."""
    history = story()
    history.answer(history.call("export", user="u", key="k"), 202, job="j2")
    assert any("key k of u made ['j1', 'j2']" in text for text in violations(history, outcome()))


def test_a_job_without_an_answer_may_exist_once() -> None:
    """A request whose connection broke may have made a job, and need not have."""
    history = story()
    history.answer(history.call("export", user="u", key="other"), None, error="ReadError")
    assert violations(history, outcome()) == []
    extra = replace(GOOD, id="j2", key=None)
    changes = [*outcome().changes, Change("j2", "running", "succeeded")]
    state = replace(outcome(), jobs={"j1": GOOD, "j2": extra}, changes=changes)
    assert violations(history, state) == []


@pytest.mark.parametrize(
    ("status", "told", "said"),
    [(500, {}, "got 500"), (502, {}, "got 502"), (503, {}, "503 without Retry-After")],
)
def test_unclear_answers_are_found(status: int, told: dict[str, str], said: str) -> None:
    """5xx other than 503, and 503 that does not say when to come back."""
    history = story()
    history.answer(history.call("users"), status, **told)
    assert any(said in text for text in violations(history, outcome()))


def test_two_winners_of_a_refresh_are_found() -> None:
    """A refresh token that was traded twice."""
    history, asked = story(), {"token": "one"}
    for _ in range(2):
        history.answer(history.call("refresh", **asked), 200)
    assert violations(history, outcome()) == ["doubled: refresh token one was traded 2 times"]


def test_poison_may_fail() -> None:
    """A job that can't succeed may fail, and its message be a dead letter."""
    poison = Job("p", "failed", type="drill", attempts=3, max_attempts=3, is_poison=True)
    good = outcome()
    changes = [*good.changes, Change("p", "", "queued"), Change("p", "running", "failed")]
    state = replace(good, jobs={"j1": GOOD, "p": poison}, changes=changes, dead=["p"])
    assert violations(story(), state) == []


def test_the_history_is_kept_as_it_happens(tmp_path: Path) -> None:
    """Each event is a line of the file at once, so that a run that breaks off can be read."""
    history = History(tmp_path / "drill" / "7.jsonl")
    history.call("export", user="u", key="k")
    history.fault("kill", process="worker-1")
    lines = (tmp_path / "drill" / "7.jsonl").read_text().splitlines()
    assert ['"call"' in lines[0], '"worker-1"' in lines[1]] == [True, True]
    history.close()
