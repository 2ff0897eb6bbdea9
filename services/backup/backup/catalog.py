"""Which backups there are. A backup is its data and its manifest, or it is none."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backup.errors import BackupError
from backup.manifest import FILE, Manifest
from backup.progress import counted
from backup.repository import Repository, Snapshot

LATEST = "latest"


@dataclass(frozen=True)
class Backup:
    """A backup as the repository lists it, without a look into it."""

    id: str
    kind: str
    system: str
    time: datetime
    size: int
    seconds: float
    rows: int | None
    data: str
    manifest: str

    def as_dict(self) -> dict[str, Any]:
        """For people and the tool."""
        return {
            "id": self.id,
            "kind": self.kind,
            "system": self.system,
            "time": self.time.isoformat(),
            "bytes": self.size,
            "seconds": self.seconds,
            "rows": self.rows,
            "complete": True,
        }


class Catalog:
    """The backups of a repository."""

    def __init__(self, repository: Repository, system: str) -> None:
        self.repository = repository
        self.system = system
        self._snapshots = [
            each for each in repository.snapshots() if "backup" in each.tags and "part" in each.tags
        ]

    def backups(self, kind: str | None = None) -> list[Backup]:
        """All that are complete, oldest first; those of other systems, too."""
        data = {each.tags["backup"]: each for each in self._parts("data")}
        found = [
            _backup(manifest, data[manifest.tags["backup"]])
            for manifest in self._parts("manifest")
            if manifest.tags["backup"] in data
        ]
        return [each for each in found if kind in (None, each.kind)]

    def interrupted(self) -> list[str]:
        """Snapshots of this system's backups that came to no end."""
        complete = {each.id for each in self.backups()}
        return [
            each.id
            for each in self._snapshots
            if each.tags["backup"] not in complete and each.tags.get("system") == self.system
        ]

    def own(self, kind: str | None = None) -> list[Backup]:
        """Backups of this system, of one kind or all, oldest first."""
        return [each for each in self.backups(kind) if each.system == self.system]

    def get(self, wanted: str, kind: str = "dump") -> Backup:
        """The backup of that id, or the newest of `kind`; raises BackupError."""
        if wanted == LATEST:
            if newest := self.own(kind)[-1:]:
                return newest[0]
            raise BackupError(f"There is no {kind} yet.", hint=f"./gp backup now --kind {kind}")
        for backup in self.backups():
            if backup.id == wanted:
                return self._own_or_refuse(backup)
        if any(each.tags["backup"] == wanted for each in self._snapshots):
            raise BackupError(
                f"The backup {wanted} is not complete.",
                "It was interrupted while it was made.",
                "Take another one: ./gp backup list",
            )
        raise BackupError(f"There is no backup {wanted!r}.", hint="./gp backup list")

    def _own_or_refuse(self, backup: Backup) -> Backup:
        if backup.system != self.system:
            raise BackupError(
                f"The backup {backup.id} is of another system.",
                f"It is of {backup.system}, and this is {self.system}.",
                "If that is meant, set BACKUP_SYSTEM to its name.",
            )
        return backup

    def manifest(self, backup: Backup) -> Manifest:
        """What was written down about a backup; raises BackupError if it is damaged."""
        content = b"".join(self.repository.read(backup.manifest, FILE))
        manifest = Manifest.from_bytes(content)
        # Older versions of restic tell the beginning of a snapshot's id.
        is_its_own = (manifest.id, manifest.system) == (backup.id, backup.system)
        if not is_its_own or not backup.data.startswith(manifest.snapshot):
            raise BackupError(
                f"The backup {backup.id} can't be used.", "Its manifest is of another backup."
            )
        return manifest

    def content(self, manifest: Manifest) -> Iterator[bytes]:
        """The data of a backup, told as progress; raises BackupError if they are damaged."""
        chunks = self.repository.read(manifest.snapshot, manifest.file)
        return _checked(counted(chunks, f"reading {manifest.id}", manifest.size), manifest)

    def _parts(self, part: str) -> list[Snapshot]:
        return [each for each in self._snapshots if each.tags["part"] == part]


def _backup(manifest: Snapshot, data: Snapshot) -> Backup:
    tags = manifest.tags
    return Backup(
        id=tags["backup"],
        kind=tags["kind"],
        system=tags["system"],
        time=manifest.time,
        size=int(tags["bytes"]),
        seconds=float(tags["seconds"]),
        rows=int(tags["rows"]) if "rows" in tags else None,
        data=data.id,
        manifest=manifest.id,
    )


def _checked(chunks: Iterable[bytes], manifest: Manifest) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if (size, digest.hexdigest()) != (manifest.size, manifest.sha256):
        raise BackupError(
            f"The backup {manifest.id} is damaged.",
            f"It has {size} bytes in place of {manifest.size}, or others than it had.",
            "Take another one: ./gp backup list",
        )
