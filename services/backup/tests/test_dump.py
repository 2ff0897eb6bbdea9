"""Dumps: made, listed, restored into a new database, swapped in and back."""

import threading
from datetime import UTC, datetime

import pytest

from backup.settings import Settings
from backup.status import Status
from backup.swap import others
from tests.support import DATABASE, ROLE, elsewhere, error_of, result_of, run_sql


def test_a_dump_brings_back_what_was_there(settings: Settings) -> None:
    """What was deleted after the backup is there again, and what was added is not."""
    [made] = result_of(settings, "now")["backups"]
    run_sql(settings.postgres, "DELETE FROM public.customers", "CREATE TABLE public.later (id int)")
    restored = result_of(settings, "restore", made["id"])
    assert restored["rows"] == made["rows"] == 503
    assert run_sql(settings.postgres, "SELECT count(*) FROM public.customers") == [[500]]
    assert run_sql(settings.postgres, "SELECT to_regclass('public.later')") == [[None]]


def test_a_repository_in_s3_serves_as_a_folder_does(settings: Settings) -> None:
    """Made, listed, restored and pruned over S3; a wrong key is told as one."""
    storage = settings.storage
    assert storage
    remote = elsewhere(settings, repository=f"s3:{storage.endpoint}/{storage.bucket}/backups")
    key = {
        "BACKUP_S3_ACCESS_KEY_ID": storage.access_key_id,
        "BACKUP_S3_SECRET_ACCESS_KEY": storage.secret_access_key,
    }
    [made] = result_of(remote, "now", **key)["backups"]
    assert [each["id"] for each in result_of(remote, "list", **key)["backups"]] == [made["id"]]
    run_sql(settings.postgres, "DELETE FROM public.customers")
    result_of(remote, "restore", made["id"], **key)
    assert run_sql(settings.postgres, "SELECT count(*) FROM public.customers") == [[500]]
    assert result_of(remote, "prune", **key)["removed"] == 0
    for name in key:
        wrong = key | {name: "wrong"}
        assert error_of(remote, "list", **wrong)["why"] == "The storage refuses the key."


def test_a_restored_database_lets_in_whom_the_old_one_did(settings: Settings) -> None:
    """Grants of the database and of its tables are restored; everybody else stays out."""
    result_of(settings, "now")
    result_of(settings, "restore", "latest")
    [[may_connect, may_read, public_may]] = run_sql(
        settings.postgres,
        f"SELECT has_database_privilege('{ROLE}', '{DATABASE}', 'CONNECT'), "
        f"has_table_privilege('{ROLE}', 'public.customers', 'SELECT'), "
        f"has_database_privilege('pg_monitor', '{DATABASE}', 'CONNECT')",
    )
    assert may_connect
    assert may_read
    assert not public_may


@pytest.mark.long
def test_what_was_replaced_is_kept_put_back_and_dropped(settings: Settings) -> None:
    """`swap-back` undoes a restore, and `drop-old` leaves nothing but the one in use."""
    result_of(settings, "now")
    run_sql(settings.postgres, "CREATE TABLE public.later (id int)")
    kept = result_of(settings, "restore", "latest")["kept_as"]
    assert run_sql(settings.postgres, "SELECT to_regclass('public.later')") == [[None]]
    assert result_of(settings, "swap-back")["database"] == kept
    assert run_sql(settings.postgres, "SELECT to_regclass('public.later')") == [["public.later"]]
    assert len(result_of(settings, "drop-old")["dropped"]) == 1
    assert error_of(settings, "swap-back")["what"] == "There is nothing to put back."


def test_a_database_in_use_is_replaced_only_when_told_so(settings: Settings) -> None:
    """Without --swap the restore is refused before it begins; with it connections are ended."""
    result_of(settings, "now")
    with settings.postgres.connect(DATABASE) as other:
        other.run("SET application_name = 'somebody'")
        error = error_of(settings, "restore", "latest")
        assert "in use" in error["what"]
        assert "--swap" in error["hint"]
        result_of(settings, "restore", "latest", "--swap")
    assert others(settings.postgres, DATABASE) == 0


@pytest.mark.long
def test_a_dump_is_one_moment_though_rows_are_written_meanwhile(settings: Settings) -> None:
    """Checksums and data are of the same snapshot: a busy database restores without complaint."""
    stop = threading.Event()

    def write() -> None:
        with settings.postgres.connect(DATABASE) as connection:
            while not stop.is_set():
                connection.run("INSERT INTO public.customers (name) VALUES ('busy')")
                connection.run("DELETE FROM public.customers WHERE name = 'Ada 1'")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        [made] = result_of(settings, "now")["backups"]
    finally:
        stop.set()
        writer.join()
    assert result_of(settings, "restore", made["id"])["rows"] == made["rows"]


@pytest.mark.long
def test_the_list_and_the_status_tell_what_was_made(settings: Settings) -> None:
    """Each backup has its kind, time and size, and the status the time of the last one."""
    before = datetime.now(UTC).replace(microsecond=0)
    made = result_of(settings, "now", "--kind", "dump", "--kind", "redis", "--kind", "storage")
    assert result_of(settings, "list")["backups"] == made["backups"]
    assert {each["kind"] for each in made["backups"]} == {"dump", "redis", "storage"}
    assert all(each["bytes"] > 0 for each in made["backups"])
    last = Status(settings).last("dump")
    assert last
    assert last >= before


@pytest.mark.long
@pytest.mark.parametrize("kind", ["redis", "storage"])
def test_other_kinds_are_given_out_as_files(settings: Settings, kind: str) -> None:
    """They can't be restored as a database, and the error says how to get at them."""
    [made] = result_of(settings, "now", "--kind", kind)["backups"]
    error = error_of(settings, "restore", made["id"])
    assert "extract" in error["hint"]
    target = settings.state / "file"
    result_of(settings, "extract", made["id"], "--output", str(target))
    assert target.stat().st_size == made["bytes"]
    assert target.read_bytes().startswith(b"REDIS" if kind == "redis" else b'{"bucket"')
