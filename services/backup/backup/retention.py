"""Which backups are kept. restic decides by manifests; the data of what goes goes with it."""

from backup.catalog import Backup, Catalog
from backup.progress import progress
from backup.repository import Repository

# The last ones in any case: the first dumps of a new system must not push out those of a lost one.
_LONG = ("--keep-last", "3", "--keep-daily", "7", "--keep-weekly", "4", "--keep-monthly", "6")
KEEP = {
    "dump": _LONG,
    "storage": _LONG,
    "redis": ("--keep-hourly", "24", "--keep-daily", "7"),
    # Recovery to a point in time reaches back to the older one.
    "base": ("--keep-last", "2"),
}
# Each holds all that recovery needs; the older ones are for the case that the newest is damaged.
_KEEP_WAL = ("--keep-last", "3")


def expired(catalog: Catalog) -> list[Backup]:
    """The backups that the policy does not keep."""
    found = []
    for kind, keep in KEEP.items():
        tags = {"kind": kind, "part": "manifest", "system": catalog.system}
        gone = catalog.repository.expire(keep, **tags)
        found += [backup for backup in catalog.own(kind) if backup.manifest in gone]
    return found


def prune(catalog: Catalog) -> list[Backup]:
    """Forget what the policy does not keep, which is returned, and what was interrupted."""
    repository = catalog.repository
    progress("forgetting old backups")
    gone = expired(catalog)
    forget_wal(repository, catalog.system)
    snapshots = (snapshot for backup in gone for snapshot in (backup.manifest, backup.data))
    repository.forget(sorted({*catalog.interrupted(), *snapshots}))
    progress("freeing their space")
    repository.prune()
    return gone


def forget_wal(repository: Repository, system: str) -> None:
    """Forget all but the last snapshots of each spool; each holds all that the ones before do.

    A new cluster in the place of one that was lost leaves what was received of that as it is.
    """
    clusters = {each.tags["cluster"] for each in repository.snapshots(kind="wal", system=system)}
    for cluster in sorted(clusters):
        tags = {"kind": "wal", "system": system, "cluster": cluster}
        repository.forget(repository.expire(_KEEP_WAL, **tags))
