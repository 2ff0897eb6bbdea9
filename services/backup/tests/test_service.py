"""The service as a process: by schedule, through outages, and after it was killed."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import scratch
from backup.postgres import Server
from backup.settings import Settings
from backup.status import Status
from backup.wal import SLOT
from tests.support import (
    elsewhere,
    environment_of,
    fill,
    result_of,
    run_sql,
    serving,
    settings_for,
    until,
)

LOGIN = "backup_login"


@pytest.mark.long
def test_it_makes_everything_by_schedule_and_says_so(settings: Settings) -> None:
    """On an empty system dump, base, Redis, objects and drill are made, and WAL is stored."""
    status = Status(settings)
    kinds = ("dump", "base", "redis", "storage", "drill", "wal")
    with serving(settings, BACKUP_FIRST_SECONDS="1"):
        until(lambda: all(map(status.last, kinds)), "all kinds", seconds=200)
    found = json.loads((settings.state / "status.json").read_text())["backups"]
    assert all(found[kind]["error"] is None for kind in kinds)
    assert all(found[kind]["stale_at"] > datetime.now(UTC).isoformat() for kind in kinds)
    assert (settings.state / "status.json").stat().st_size < 3500


@pytest.mark.long
def test_after_kill_9_it_goes_on(settings: Settings) -> None:
    """Scratch folders are removed, WAL is received again, and no lock stops the next backup."""
    result_of(settings, "now")
    with serving(settings) as first:
        until(lambda: Status(settings).last("wal"), "WAL in the repository")
        first.send_signal(signal.SIGKILL)
        first.wait()
        leftover = settings.state / "scratch" / "left"
        leftover.mkdir(parents=True)
    before = datetime.now(UTC).replace(microsecond=0)
    with serving(settings):
        until(lambda: (Status(settings).last("wal") or before) > before, "WAL again")
        assert not leftover.exists()
        assert result_of(settings, "now")["backups"]
        assert set(result_of(settings, "prune")) == {"kept", "removed", "ids"}


@pytest.mark.long
def test_wal_goes_on_after_an_outage_of_the_server(place: Path) -> None:
    """While the server is away the status says so; afterwards nothing is missing."""
    with scratch.folder(place) as folder, scratch.empty_server(folder) as server:
        fill(server)
        settings = settings_for(server, place)
        result_of(settings, "now", "--kind", "base")
        with serving(settings) as service:
            status = Status(settings)
            until(lambda: status.last("wal"), "WAL in the repository")
            _restart(folder, server, settings, status)
            assert service.poll() is None


def _restart(folder: Path, server: Server, settings: Settings, status: Status) -> None:
    subprocess.run(  # the server of the fixture ends, and another goes on with its files
        [*scratch.as_account(), "pg_ctl", "stop", "-D", str(folder / "data"), "-m", "fast"],
        check=True,
        capture_output=True,
        cwd="/",
    )
    until(lambda: status.read()["backups"]["wal"]["error"], "an error in the status")
    with scratch.running(folder, server):
        until(lambda: not status.read()["backups"]["wal"]["error"], "WAL again")
        run_sql(server, "INSERT INTO public.customers (name) VALUES ('after the outage')")
        result_of(settings, "restore", "--time", "latest", "--swap")
        rows = run_sql(server, "SELECT 1 FROM public.customers WHERE name = 'after the outage'")
        assert rows == [[1]]


@pytest.mark.long
def test_wal_that_the_server_did_not_keep_makes_a_base_backup_due(settings: Settings) -> None:
    """After a loss of the slot the old spool is of no use, and recovery begins anew."""
    result_of(settings, "now", "--kind", "base")
    with serving(settings):
        until(lambda: Status(settings).last("wal"), "WAL in the repository")
    run_sql(settings.postgres, f"SELECT pg_drop_replication_slot('{SLOT}')")
    with serving(settings):
        until(lambda: Status(settings).last("base") is None, "a base backup that is due")


def test_a_role_that_may_only_read_is_enough(settings: Settings) -> None:
    """Dumps and base backups need no owner: pg_read_all_data, and REPLICATION."""
    run_sql(
        settings.postgres,
        f"DROP ROLE IF EXISTS {LOGIN}",
        f"CREATE ROLE {LOGIN} LOGIN REPLICATION PASSWORD 'only for this test'",
        f"GRANT pg_read_all_data, pg_read_all_stats TO {LOGIN}",
        f"GRANT CONNECT ON DATABASE shop TO {LOGIN}",
    )
    reader = Server(settings.postgres.host, settings.postgres.port, LOGIN, "only for this test")
    limited = elsewhere(settings, postgres=reader)
    made = result_of(limited, "now", "--kind", "dump", "--kind", "base")
    assert len(made["backups"]) == 2
    with serving(limited):
        until(lambda: Status(limited).last("wal"), "WAL in the repository")
    run_sql(settings.postgres, f"DROP OWNED BY {LOGIN}", f"DROP ROLE {LOGIN}")


@pytest.mark.long
def test_the_drill_restores_and_lets_the_application_look(settings: Settings) -> None:
    """The verdict of who called decides; the scratch server is gone afterwards."""
    result_of(settings, "now")
    verdicts = {"passed": 0, "failed": 1}
    for verdict, expected in verdicts.items():
        process = subprocess.Popen(
            [sys.executable, "-m", "backup", "verify", "latest", "--smoke", "--json"],
            env=environment_of(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin
        assert process.stderr
        events = map(json.loads, process.stderr)
        where = next(event for event in events if event["event"] == "scratch")
        server = Server(where["host"], where["port"], where["user"], where["password"])
        rows = run_sql(server, "SELECT count(*) FROM public.customers", database=where["database"])
        assert rows == [[500]]
        process.communicate(json.dumps({"smoke": verdict, "why": "a test"}) + "\n")
        assert process.returncode == expected
        assert list((settings.state / "scratch").iterdir()) == []
