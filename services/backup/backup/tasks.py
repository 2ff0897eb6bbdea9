"""What the schedule and the commands do, each with its entry in the status."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from backup import drill, make, retention, wal
from backup.catalog import Backup, Catalog
from backup.errors import BackupError
from backup.lock import held
from backup.manifest import Manifest
from backup.repository import Repository
from backup.settings import Settings
from backup.status import Status


def opened(settings: Settings, creates: bool = False) -> Repository:
    """The repository; `creates` one where there never was any. Raises BackupError."""
    repository, status = Repository(settings), Status(settings)
    known = status.read()["repository"]
    found = repository.id()
    if found is None:
        if known:
            raise BackupError(
                f"The repository {repository.place} is gone.",
                "There was one when it was used last.",
                "Is the storage mounted? To begin a new one, remove status.json of the service.",
            )
        if not creates:
            raise BackupError(
                f"There is no repository at {repository.place}.", hint="./gp backup now"
            )
        found = repository.create()
    if known not in (None, found):
        raise BackupError(
            f"The repository {repository.place} is another one than it was.",
            f"It is {found[:8]}, and was {known[:8]}.",
            "Is the right storage mounted? If so, remove status.json of the service.",
        )
    status.belongs_to(found)
    return repository


def back_up(settings: Settings, kind: str) -> Manifest:
    """Make one backup; raises BackupError, which the status keeps."""
    status = Status(settings)
    with held(settings, f"a backup ({kind})"), _noting(status, kind):
        manifest = make.make(settings, opened(settings, creates=True), kind)
    status.succeeded(
        kind, manifest.at, id=manifest.id, bytes=manifest.size, seconds=manifest.seconds
    )
    return manifest


def verify(
    settings: Settings, wanted: str, smoke: drill.Smoke | None, listen: str
) -> dict[str, Any]:
    """Prove that a backup restores; raises BackupError, which the status keeps."""
    status = Status(settings)
    with held(settings, "a restore drill"):
        with _noting(status, "drill"):
            catalog = Catalog(opened(settings), settings.system)
        if wanted:
            catalog.get(wanted)  # what is not there was named wrongly: no drill has failed
        with _noting(status, "drill"):
            result = drill.verify(settings, catalog, wanted, smoke, listen)
        result["figures"]["rpo_seconds"] = _exposure(status)
    facts = {"id": result["id"], "seconds": result["seconds"], "smoke": result["smoke"]}
    status.succeeded("drill", datetime.now(UTC), **facts)
    return result


def prune(settings: Settings, is_tried: bool = False) -> dict[str, Any]:
    """Forget what the policy does not keep, in the spool of WAL, too; `is_tried` only tells it."""
    with held(settings, "pruning"):
        catalog = Catalog(opened(settings), settings.system)
        gone = (retention.expired if is_tried else retention.prune)(catalog)
        kept = [backup for backup in catalog.own() if backup not in gone]
        if not is_tried:
            _trim_spools(settings, catalog, kept)
    return {"kept": len(kept), "removed": len(gone), "ids": [backup.id for backup in gone]}


def _trim_spools(settings: Settings, catalog: Catalog, kept: list[Backup]) -> None:
    """Remove the WAL of before the oldest base backup of each cluster."""
    oldest: dict[str, str] = {}
    for base in (backup for backup in kept if backup.kind == "base"):
        facts = catalog.manifest(base).facts
        oldest.setdefault(facts["cluster"], facts["wal"])
    for cluster, first in oldest.items():
        wal.trim(settings, cluster, first)


def _exposure(status: Status) -> float | None:
    """Seconds of work that would be lost if the server were lost now."""
    known = [last for last in map(status.last, ("wal", "dump")) if last]
    return round((datetime.now(UTC) - max(known)).total_seconds(), 1) if known else None


@contextmanager
def _noting(status: Status, kind: str) -> Iterator[None]:
    try:
        yield
    except (BackupError, OSError) as error:
        status.failed(kind, error)
        raise
