"""What is kept: the last, days, weeks and months, and WAL of a server that was lost."""

from datetime import UTC, datetime, timedelta

import pytest

from backup.catalog import Catalog
from backup.repository import Repository
from backup.retention import forget_wal, prune
from backup.settings import Settings
from tests.support import result_of


def store(repository: Repository, name: str, at: datetime) -> None:
    """A backup of a few bytes."""
    tags = {"backup": name, "kind": "dump", "system": "shop"}
    repository.store([b"data " + name.encode()], "database.dump", {**tags, "part": "data"}, at)
    own = {"part": "manifest", "bytes": "4", "seconds": "1"}
    repository.store([b"manifest"], "manifest.json", {**tags, **own}, at)


@pytest.mark.long
def test_old_backups_go_and_the_last_of_a_day_stays(settings: Settings) -> None:
    """Of five dumps of one old day only the last is kept, with its data; the newest three stay."""
    repository = Repository(settings)
    repository.create()
    now = datetime.now(UTC).replace(microsecond=0)
    old = now.replace(hour=12) - timedelta(days=3)
    for minute in range(2):
        store(repository, f"old-{minute}", old + timedelta(minutes=minute))
    for minute in range(3):
        store(repository, f"new-{minute}", now - timedelta(seconds=10 - minute))
    assert prune(Catalog(repository, "bakery")) == []
    told = result_of(settings, "prune", "--dry-run")
    assert told == {"kept": 4, "removed": 1, "ids": ["old-0"]}
    assert len(repository.snapshots(part="data")) == 5
    assert result_of(settings, "prune") == told
    kept = [backup.id for backup in Catalog(repository, "shop").backups()]
    assert kept == ["old-1", "new-0", "new-1", "new-2"]
    assert len(repository.snapshots(part="data")) == 4


@pytest.mark.long
def test_wal_of_a_lost_server_stays_while_a_new_one_is_received(settings: Settings) -> None:
    """Of each cluster the last three snapshots are kept."""
    repository = Repository(settings)
    repository.create()
    folder = settings.state / "view"
    folder.mkdir()
    (folder / "segment").write_text("WAL")
    now = datetime.now(UTC)
    for cluster, count in (("lost", 1), ("new", 4)):
        tags = {"kind": "wal", "system": "shop", "cluster": cluster}
        for second in range(count):
            repository.store_folder(folder, tags, now + timedelta(seconds=second))
    forget_wal(repository, "shop")
    found = [each.tags["cluster"] for each in repository.snapshots(kind="wal")]
    assert sorted(found) == ["lost", "new", "new", "new"]
