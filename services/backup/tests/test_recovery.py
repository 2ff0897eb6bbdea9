"""Recovery to a chosen second, from a base backup and WAL."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from backup.settings import Settings
from backup.status import Status
from backup.tasks import opened
from backup.wal import Spool, spool
from tests.support import error_of, result_of, run_sql, serving, until

_WAIT_S = 0.25


def test_recovery_brings_back_exactly_what_was_there_at_a_chosen_time(settings: Settings) -> None:
    """Of rows written before and after the chosen moment, exactly those before are there."""
    run_sql(settings.postgres, "CREATE TABLE public.ticks (at timestamptz)")
    result_of(settings, "now", "--kind", "base")
    with serving(settings):
        until(lambda: Status(settings).last("wal"), "WAL in the repository")
        run_sql(settings.postgres, *["INSERT INTO public.ticks VALUES (clock_timestamp())"] * 4)
        time.sleep(_WAIT_S)
        moment = datetime.now(UTC)
        time.sleep(_WAIT_S)
        run_sql(settings.postgres, *["INSERT INTO public.ticks VALUES (clock_timestamp())"] * 3)
        run_sql(settings.postgres, "DROP TABLE public.customers")
        restored = result_of(settings, "restore", "--time", moment.isoformat(), "--swap")
    assert restored["to"] == moment.isoformat()
    [[count, last]] = run_sql(settings.postgres, "SELECT count(*), max(at) FROM public.ticks")
    assert count == 4
    assert last < moment
    assert run_sql(settings.postgres, "SELECT count(*) FROM public.customers") == [[500]]


def test_two_may_store_wal_at_once(settings: Settings) -> None:
    """The service and a restore store the same spool without getting in each other's way."""
    result_of(settings, "now", "--kind", "storage")
    folder = spool(settings, "7")
    for number in range(3000):
        (folder / f"{number:024}").touch()

    def store(_: int) -> bool:
        return Spool(settings, opened(settings)).store()

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(store, range(5)))


@pytest.mark.long
def test_recovery_to_the_end_brings_back_the_last_change(settings: Settings) -> None:
    """What was committed after the base backup, and just now, is there."""
    result_of(settings, "now", "--kind", "base")
    with serving(settings):
        until(lambda: Status(settings).last("wal"), "WAL in the repository")
        run_sql(settings.postgres, "INSERT INTO public.customers (name) VALUES ('the last')")
        result_of(settings, "restore", "--time", "latest", "--swap")
    rows = run_sql(settings.postgres, "SELECT 1 FROM public.customers WHERE name = 'the last'")
    assert rows == [[1]]


def test_a_time_before_the_first_base_backup_is_refused(settings: Settings) -> None:
    """There is nothing that recovery could begin with, and the error says since when there is."""
    result_of(settings, "now", "--kind", "base")
    long_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    error = error_of(settings, "restore", "--time", long_ago)
    assert "does not reach back" in error["what"]
    assert "first base backup is of" in error["why"]


@pytest.mark.long
def test_times_that_are_none_are_refused(settings: Settings) -> None:
    """Without a zone, in the future, or no time at all."""
    result_of(settings, "now", "--kind", "storage")
    assert "zone" in error_of(settings, "restore", "--time", "2026-11-23T08:00:00")["what"]
    assert "future" in error_of(settings, "restore", "--time", "2999-01-01T00:00:00Z")["what"]
    for command in ("restore", "list"):  # the tool lists before it asks whether to restore
        assert "no time" in error_of(settings, command, "--time", "yesterday")["what"]
