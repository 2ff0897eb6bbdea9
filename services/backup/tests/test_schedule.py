"""What is due, and when."""

from datetime import UTC, datetime, timedelta

from backup.schedule import ORDER, Schedule
from backup.settings import Every

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 23, 8, tzinfo=UTC)
EVERY = Every(
    dump=24 * HOUR,
    base=168 * HOUR,
    redis=HOUR,
    storage=24 * HOUR,
    drill=168 * HOUR,
    wal=timedelta(minutes=1),
    first=timedelta(minutes=10),
)


def times(**known: datetime) -> dict[str, datetime | None]:
    """When each was made last."""
    return {kind: known.get(kind) for kind in ORDER}


def fresh(at: datetime) -> dict[str, datetime | None]:
    """All were just made."""
    return dict.fromkeys(ORDER, at)


def test_an_empty_system_is_left_alone_at_first() -> None:
    """Nothing that was never made is begun in the first ten minutes; then the dump comes first."""
    schedule = Schedule(EVERY, START)
    assert schedule.next(times(), START + timedelta(minutes=9)) is None
    assert schedule.next(times(), START + timedelta(minutes=10)) == "dump"


def test_a_restart_neither_skips_nor_doubles() -> None:
    """What is due after a restart is made soon, and what was made before is not made again."""
    schedule = Schedule(EVERY, START)
    last = fresh(START - timedelta(minutes=30))
    assert schedule.next(last, START + timedelta(minutes=5)) is None
    last["dump"] = START - timedelta(days=2)
    assert schedule.next(last, START + timedelta(seconds=30)) is None
    assert schedule.next(last, START + timedelta(seconds=61)) == "dump"


def test_what_failed_is_tried_again_later_and_later() -> None:
    """After a minute, then two, at most an hour; the others do not wait for it."""
    schedule = Schedule(EVERY, START)
    last, now = fresh(START), START + 2 * HOUR
    last["dump"] = START - 48 * HOUR
    schedule.failed("dump", now)
    assert schedule.next(last, now) == "redis"
    assert schedule.next(last, now + timedelta(minutes=1)) == "dump"
    for _ in range(20):
        schedule.failed("dump", now)
    assert schedule.next(last, now + timedelta(minutes=59)) == "redis"
    assert schedule.next(last, now + HOUR) == "dump"
    schedule.succeeded("dump")
    assert schedule.next(last, now) == "dump"


def test_there_is_no_drill_without_a_dump() -> None:
    """It would have nothing to restore."""
    last = times(base=START, redis=START, storage=START)
    schedule = Schedule(EVERY, START - 24 * HOUR)
    schedule.failed("dump", START)
    assert schedule.next(last, START) is None


def test_a_time_in_the_future_is_not_believed() -> None:
    """A clock that was wrong must not stop backups for years."""
    last = fresh(START)
    last["dump"] = START + timedelta(days=400)
    assert Schedule(EVERY, START - HOUR).next(last, START) == "dump"
