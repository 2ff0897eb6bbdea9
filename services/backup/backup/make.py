"""Makes a backup: the data first, then the manifest, which makes it one."""

import time
from datetime import UTC, datetime

from backup.manifest import FILE, Manifest
from backup.progress import counted
from backup.repository import Repository
from backup.settings import Settings
from backup.sources import KINDS


def make(settings: Settings, repository: Repository, kind: str) -> Manifest:
    """Back up one kind; raises BackupError, and then there is no new backup."""
    began, at = time.monotonic(), datetime.now(UTC).replace(microsecond=0)
    name = f"{at:%Y-%m-%dT%H%M%SZ}-{kind}"
    tags = {"backup": name, "kind": kind, "system": settings.system}
    with KINDS[kind](settings) as source:
        chunks = counted(source.chunks, f"backing up: {kind}")
        stored = repository.store(chunks, source.file, {**tags, "part": "data"}, at)
        facts = source.facts()
    manifest = Manifest(
        id=name,
        kind=kind,
        system=settings.system,
        time=at.isoformat(),
        seconds=round(time.monotonic() - began, 1),
        file=source.file,
        size=stored.size,
        sha256=stored.sha256,
        snapshot=stored.snapshot,
        facts=facts,
    )
    own = {"part": "manifest", "bytes": str(manifest.size), "seconds": str(manifest.seconds)}
    rows = {} if manifest.rows is None else {"rows": str(manifest.rows)}
    repository.store([manifest.to_bytes()], FILE, {**tags, **own, **rows}, at)
    return manifest
