"""Backups of the running system: made, listed, tried, and restored in the place of changed data."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dotenv import dotenv_values

from groundplan.model.place import servers_folder
from harness import ROOT, System, edited, gp, new_user, wait_for

SPARE_BYTES = 8 * 2**20


def asked(*words: str) -> dict[str, Any]:
    """The result of a command as JSON."""
    done = gp(*words, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def refused(*words: str) -> str:
    """What a command says that must fail."""
    done = gp(*words)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def names(system: System) -> list[str]:
    """The databases of the server that belong to the system."""
    found = system.sql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")
    return [name for name in found.split() if name != "postgres"]


@pytest.fixture(scope="module")
def dump(system: System) -> str:
    """The id of a dump of the system as it was before these tests."""
    system.await_ready()
    return str(asked("backup", "now")["backups"][0]["id"])


@pytest.fixture
def content(system: System) -> Iterator[None]:
    """The database is afterwards the one that it was before."""
    system.await_ready()
    yield
    if any("_before_" in name for name in names(system)):
        asked("restore", "--swap-back", "--yes")
    asked("restore", "--drop-old", "--yes")
    system.await_ready()


def create_user(client: httpx2.Client) -> str:
    """The e-mail address of a new user."""
    user = new_user()
    answer = client.post("/users", json=user)
    assert answer.status_code == 201, answer.text
    return user["email"]


def has_user(system: System, email: str) -> bool:
    """Asks the database itself."""
    return system.sql(f"SELECT count(*) FROM users WHERE email = '{email}'") == "1"  # noqa: S608 - made here


def test_a_dump_is_listed_with_its_rows(system: System, dump: str) -> None:
    """A dump that was made is in the list, with as many rows as the tables have."""
    listed = {each["id"]: each for each in asked("backup", "list")["backups"]}
    assert listed[dump]["kind"] == "dump"
    assert listed[dump]["rows"] >= int(system.sql("SELECT count(*) FROM users"))

    def is_fresh() -> bool:
        told = json.loads(gp("status", "--json").stdout)["backups"]["dump"]
        return bool(told["last"]) and not told["stale"]

    wait_for(is_fresh, 30, "a fresh backup in the status")


@pytest.mark.usefixtures("content")
def test_a_restore_brings_data_back_and_can_be_undone(system: System, dump: str) -> None:
    """What was made after the backup is gone after the restore, and back after `--swap-back`."""
    with system.client() as client:
        email = create_user(client)
    done = asked("restore", dump, "--swap", "--yes")
    assert done["swapped"]
    assert not has_user(system, email)
    assert done["kept_as"] in names(system)
    asked("restore", "--swap-back", "--yes")
    assert has_user(system, email)


@pytest.mark.usefixtures("content")
def test_everybody_signs_in_again_after_a_restore(system: System, dump: str) -> None:
    """A session of before a restore ends with it; a new one works at once."""
    with system.client() as client:
        assert client.get("/auth/me").status_code == 200
        asked("restore", dump, "--swap", "--yes")
        system.await_ready()
        wait_for(lambda: client.get("/auth/me").status_code == 401, 20, "the end of the session")
    with system.client() as client:
        assert client.get("/auth/me").status_code == 200


def test_a_restore_onto_a_running_system_is_refused(system: System, dump: str) -> None:
    """While others are connected nothing is restored without `--swap`."""
    before = names(system)
    assert "is in use" in refused("restore", dump, "--yes")
    assert names(system) == before


@pytest.mark.usefixtures("system")
def test_the_drill_proves_that_the_dump_can_be_used(dump: str) -> None:
    """The newest dump is restored into an empty server, compared, and read by the API."""
    done = asked("backup", "verify")
    assert done["id"] >= dump
    assert done["smoke"] == "passed"
    assert done["tables"] > 3


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("restore", "2020-01-01T000000Z-dump", "--yes"), "There is no backup"),
        (("restore", "--time", "yesterday", "--yes", "--swap"), "is no time"),
        (("restore", "--time", "2026-01-01T00:00:00", "--yes", "--swap"), "no time zone"),
        (("restore", "--time", "2020-01-01T00:00:00Z", "--yes", "--swap"), "does not reach back"),
        (("backup", "verify", "; rm -rf /"), "no backup"),
        (("backup", "now", "--kind", "everything"), "Invalid value"),
    ],
)
def test_garbage_is_refused(system: System, dump: str, words: tuple[str, ...], text: str) -> None:
    """A wrong id, a time that is none, or a kind that there is not: said clearly, and nothing changes."""
    before = names(system)
    assert dump
    assert text in refused(*words)
    assert names(system) == before


def test_a_wrong_key_is_told_as_one(dump: str) -> None:
    """With another BACKUP_PASSWORD nothing can be read, and it is said which variable is wrong."""
    assert dump
    with setting("BACKUP_PASSWORD", "another-key"):
        assert "BACKUP_PASSWORD" in refused("backup", "list")
        assert "BACKUP_PASSWORD" in refused("backup", "now")


def test_a_repository_that_is_gone_is_not_begun_anew(dump: str, tmp_path: Path) -> None:
    """An empty folder in its place, as one that is not mounted, is an error, and stays empty."""
    assert dump
    with setting("BACKUP_REPOSITORY", str(tmp_path)):
        assert "is gone" in refused("backup", "now")
        assert "is gone" in refused("restore", dump, "--swap", "--yes")
    assert not list(tmp_path.iterdir())


def test_a_storage_that_does_not_answer_is_told(dump: str) -> None:
    """Without its storage a backup fails in a minute, and says so."""
    assert dump
    with setting("BACKUP_REPOSITORY", "s3:http://127.0.0.1:9/bucket"):
        assert "does not answer" in refused("backup", "now")


@pytest.mark.skipif(os.geteuid() != 0, reason="A small file system is mounted by root only.")
def test_a_full_disk_leaves_the_backups_that_are_there(dump: str, tmp_path: Path) -> None:
    """Without space a backup fails and says so; the ones before can still be read."""
    place = str(tmp_path)
    needed = sum(file.stat().st_size for file in repository().rglob("*"))
    size = f"size={needed + SPARE_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], check=True)
    try:
        shutil.copytree(repository(), tmp_path / "backups")
        with setting("BACKUP_REPOSITORY", str(tmp_path / "backups")):
            fill(tmp_path)
            assert "No space is left" in refused("backup", "now")
            (tmp_path / "filler").unlink()
            assert asked("backup", "verify", dump)["id"] == dump
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_damaged_backup_is_refused(dump: str, tmp_path: Path) -> None:
    """A file of the repository in which one bit has changed is noticed before anything is restored."""
    copy = shutil.copytree(repository(), tmp_path / "backups")
    for file in (file for file in (copy / "data").rglob("*") if file.is_file()):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.chmod(0o600)
        file.write_bytes(content)
    with setting("BACKUP_REPOSITORY", str(copy)):
        assert "Nothing was changed" not in refused("backup", "verify", dump)
        refused("restore", dump, "--swap", "--yes")


def settings_file() -> Path:
    """The settings of the instance under test."""
    return ROOT / "tmp" / os.environ["GROUNDPLAN_INSTANCE"] / "config" / ".env"


@contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    """A setting of the instance, changed for the commands of this block."""
    present = dotenv_values(settings_file(), interpolate=False)[name]
    with edited(settings_file(), f"{name}={present}", f"{name}={value}"):
        yield


def repository() -> Path:
    """The folder of the instance's backups."""
    return servers_folder(ROOT, os.environ["GROUNDPLAN_INSTANCE"]) / "volumes" / "backup-data"


def fill(folder: Path) -> None:
    """Take all space of the file system that `folder` is."""
    with (folder / "filler").open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(b"0" * 65536)
