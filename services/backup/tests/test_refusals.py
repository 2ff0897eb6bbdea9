"""Backups that are damaged, incomplete, foreign or encrypted with another key are refused."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import make, tasks
from backup.catalog import Catalog
from backup.errors import BackupError
from backup.postgres import Server
from backup.process import output_of
from backup.repository import Repository
from backup.settings import Settings
from backup.sources import KINDS, Source
from backup.status import Status
from tests.support import (
    DATABASE,
    elsewhere,
    error_of,
    fill,
    result_of,
    run_sql,
    serving,
    settings_for,
    until,
    world_readable_folder,
)

MORE = (
    "INSERT INTO public.customers (name) SELECT md5(random()::text) FROM generate_series(1, 50000)"
)


@contextmanager
def full_disk(
    folder: Path, megabytes: int = 16
) -> Iterator[Callable[..., AbstractContextManager[None]]]:
    """A small disk at `folder`; what is given fills it for a while, but for some bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")

    @contextmanager
    def fill_up(leaving: int = 0) -> Iterator[None]:
        filler = folder / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as stream:
            while stream.write(bytes(4096)):
                pass
        os.truncate(filler, filler.stat().st_size - leaving)
        yield
        filler.unlink()

    try:
        yield fill_up
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def made(server: Server) -> Iterator[Settings]:
    """A repository with one dump, which no test may change."""
    with world_readable_folder() as folder:
        fill(server)
        settings = settings_for(server, folder)
        tasks.back_up(settings, "dump")
        yield settings


@pytest.fixture
def copied(made: Settings, place: Path) -> Settings:
    """A copy of that repository, to be harmed."""
    repository = place / "repository"
    shutil.copytree(made.repository, repository)
    return elsewhere(made, repository=str(repository), state=place / "state")


def largest_pack(settings: Settings) -> Path:
    """The file that holds most of the data."""
    packs = (path for path in Path(settings.repository, "data").rglob("*") if path.is_file())
    pack = max(packs, key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    return pack


def databases(settings: Settings) -> list[str]:
    """Databases of the tests that there are."""
    rows = run_sql(settings.postgres, "SELECT datname FROM pg_database", database="postgres")
    return [name for (name,) in rows if name.startswith(DATABASE)]


def test_one_flipped_bit_is_noticed_and_nothing_changes(copied: Settings) -> None:
    """The restore is refused, and leaves no database behind."""
    pack = largest_pack(copied)
    content = bytearray(pack.read_bytes())
    content[len(content) // 3] ^= 1
    pack.write_bytes(content)
    assert "damaged" in " ".join(error_of(copied, "restore", "latest").values())
    assert databases(copied) == [DATABASE]
    error_of(copied, "verify", "latest")


def test_data_that_lack_their_end_are_noticed(copied: Settings) -> None:
    """A restore of what is shorter than the manifest says is refused."""
    catalog = Catalog(Repository(copied), copied.system)
    manifest = catalog.manifest(catalog.get("latest"))
    whole = b"".join(catalog.content(manifest))
    tags = {"backup": "truncated"}
    short = catalog.repository.store([whole[:-100]], manifest.file, tags, manifest.at)
    with pytest.raises(BackupError, match="is damaged"):
        list(catalog.content(replace(manifest, snapshot=short.snapshot)))


def test_another_key_opens_nothing(made: Settings) -> None:
    """The error names the variable that holds the key."""
    error = error_of(elsewhere(made, password="another key"), "list")  # noqa: S106 - of a test
    assert "another key" in error["why"]
    assert "BACKUP_PASSWORD" in error["hint"]


def test_a_backup_of_another_system_is_refused(copied: Settings) -> None:
    """The error says of which system it is."""
    [backup] = result_of(copied, "list")["backups"]
    stranger = elsewhere(copied, system="bakery")
    error = error_of(stranger, "restore", backup["id"])
    assert "It is of shop, and this is bakery." in error["why"]
    assert "There is no dump yet." in error_of(stranger, "restore", "latest")["what"]


def test_ids_that_do_not_exist_are_refused(made: Settings) -> None:
    """For every command that takes one, with the command that lists them; no drill has failed."""
    before = Status(made).read()["backups"]["drill"]
    for command in ("restore", "verify", "show"):
        error = error_of(made, command, "2020-01-01T000000Z-dump")
        assert error["hint"] == "./gp backup list"
    assert Status(made).read()["backups"]["drill"] == before


def test_an_interrupted_dump_is_no_backup(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If pg_dump dies half-way nothing is stored, and the error says so."""
    repository = Repository(copied)

    def dying(_settings: Settings) -> Source:
        argv = ["sh", "-c", "head -c 3000000 /dev/urandom; echo 'it was shot' >&2; exit 1"]
        return Source("database.dump", output_of(argv, {}, "pg_dump failed."), dict)

    monkeypatch.setitem(KINDS, "dump", lambda settings: nullcontext(dying(settings)))
    before = {each.id for each in repository.snapshots()}
    with pytest.raises(BackupError, match="it was shot"):
        make.make(copied, repository, "dump")
    assert {each.id for each in repository.snapshots()} == before


@pytest.mark.long
def test_data_without_a_manifest_are_not_listed_and_pruned(copied: Settings) -> None:
    """What a killed process left is refused by its id, and goes with the next prune."""
    repository = Repository(copied)
    [whole] = result_of(copied, "list")["backups"]
    manifest = repository.snapshots(backup=whole["id"], part="manifest")
    repository.forget([each.id for each in manifest])
    assert result_of(copied, "list")["backups"] == []
    assert "not complete" in error_of(copied, "restore", whole["id"])["what"]
    assert result_of(copied, "prune") == {"kept": 0, "removed": 0, "ids": []}
    assert repository.snapshots() == []


@pytest.mark.long
def test_a_storage_that_is_not_mounted_begins_no_new_repository(copied: Settings) -> None:
    """An empty folder where there was a repository is an error, and stays empty."""
    result_of(copied, "list")
    shutil.rmtree(copied.repository)
    Path(copied.repository).mkdir()
    for command in ("list", "now", "prune", "verify"):
        assert "is gone" in error_of(copied, command)["what"]
    assert list(Path(copied.repository).iterdir()) == []


def test_no_room_for_a_backup_harms_none(settings: Settings) -> None:
    """It says that there is no space; what was there stays good, and so is the next one."""
    with full_disk(Path(settings.repository)) as fill_up:
        first = result_of(settings, "now")["backups"][0]
        with fill_up():
            run_sql(settings.postgres, MORE)
            error = error_of(settings, "now")
        assert error["why"] == "No space is left there."
        assert [each["id"] for each in result_of(settings, "list")["backups"]] == [first["id"]]
        result_of(settings, "verify", first["id"])
        assert len(result_of(settings, "now")["backups"]) == 1
        assert len(result_of(settings, "list")["backups"]) == 2


def test_no_room_for_a_restore_changes_nothing(settings: Settings) -> None:
    """It says that there is no space, and leaves no database behind."""
    with full_disk(settings.state) as fill_up:
        result_of(settings, "now")
        with fill_up():
            error = error_of(settings, "restore", "latest")
        assert "no space left on device" in " ".join(error.values()).lower()
        assert databases(settings) == [DATABASE]
        assert result_of(settings, "restore", "latest")["swapped"]


def test_the_service_outlives_a_full_disk(settings: Settings, tmp_path: Path) -> None:
    """While it lasts nothing is stored; afterwards WAL is, without a start of the service."""
    log = tmp_path / "log"
    with full_disk(settings.state, megabytes=512) as fill_up, serving(settings, log):
        result_of(settings, "now", "--kind", "base")
        until(lambda: Status(settings).last("wal"), "WAL in the repository")
        with fill_up(leaving=1_000_000):  # in which the next file of WAL begins
            run_sql(settings.postgres, "SELECT pg_switch_wal()")
            until(lambda: "status can't be written" in log.read_text(), "a word about the disk")
        freed = datetime.now(UTC)
        until(lambda: (Status(settings).last("wal") or freed) > freed, "WAL in it again")


@pytest.mark.long
def test_a_server_that_is_down_fails_the_backup_at_once(copied: Settings) -> None:
    """The error says which server does not answer; older backups stay."""
    down = elsewhere(copied, postgres=Server("127.0.0.1", 1, "nobody", "nothing"))
    began = time.monotonic()
    assert "127.0.0.1:1" in error_of(down, "now")["what"]
    assert time.monotonic() - began < 30
    assert len(result_of(copied, "list")["backups"]) == 1


def test_settings_that_are_missing_are_all_named() -> None:
    """One error tells of every variable, never of a value."""
    with pytest.raises(BackupError) as raised:
        Settings.from_environment({"BACKUP_PASSWORD": "<random 64>", "BACKUP_DUMP_HOURS": "-1"})
    for name in ("BACKUP_SYSTEM", "BACKUP_PASSWORD", "BACKUP_DUMP_HOURS", "POSTGRES_ADDRESS"):
        assert name in raised.value.why
