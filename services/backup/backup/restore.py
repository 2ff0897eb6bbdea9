"""Restores a dump, or a point in time, into a new database beside the one in use."""

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backup import recovery, scratch, sources, wal
from backup.catalog import LATEST, Catalog
from backup.errors import BackupError
from backup.load import drop, load, save
from backup.progress import counted
from backup.settings import Settings
from backup.swap import BEFORE, RESTORED, refuse_running, swap

_RUNNING = "Stop what uses it, or swap while it runs: ./gp restore … --swap"


@dataclass(frozen=True)
class Content:
    """A dump on disk, and what must be found once it is loaded."""

    name: str
    file: Path
    facts: dict[str, Any]


def restore(
    settings: Settings, catalog: Catalog, wanted: str, at: str, swaps: bool
) -> dict[str, Any]:
    """Restore, compare, and swap in; raises BackupError, and then all is as it was before."""
    began = time.monotonic()
    server, database = settings.postgres, settings.database
    if not swaps:
        refuse_running(server, database, _RUNNING)
    with scratch.folder(settings.state) as place:
        content = content_of(settings, catalog, wanted, at, place)
        new = f"{database}{RESTORED}{re.sub('[^a-z0-9]', '', content.name.lower())}"
        load(server, new, content.file, content.facts)
    try:
        if not swaps:
            refuse_running(server, database, _RUNNING)
        kept = swap(server, database, new, BEFORE)
    except BaseException:
        drop(server, new)
        raise
    tables = content.facts["tables"]
    return {
        "id": content.name,
        "database": new,
        "swapped": True,
        "kept_as": kept,
        "to": at or None,
        "tables": len(tables),
        "rows": sum(table["rows"] for table in tables.values()),
        "seconds": round(time.monotonic() - began, 1),
    }


def content_of(settings: Settings, catalog: Catalog, wanted: str, at: str, place: Path) -> Content:
    """What is to be restored, as a dump in the folder `place`; raises BackupError."""
    if at:
        return _moment(settings, catalog, at, place)
    backup = catalog.get(wanted or LATEST)
    if backup.kind != "dump":
        hint = (
            "Restore to a time: ./gp restore --time latest"
            if backup.kind == "base"
            else f"./gp backup extract {backup.id} --output FILE"
        )
        raise BackupError(f"{backup.id} is no dump of the database.", hint=hint)
    manifest = catalog.manifest(backup)
    return Content(manifest.id, save(catalog, manifest, place), manifest.facts)


def _moment(settings: Settings, catalog: Catalog, at: str, place: Path) -> Content:
    """The database as it was at a time: recovered on a scratch server, and dumped there."""
    moment = recovery.parse_time(at)
    base = recovery.choose_base(catalog, moment)
    wal.catch_up(settings, catalog.repository)
    with recovery.recovered(settings, catalog, base, moment, place) as recovered:
        there = replace(settings, postgres=recovered.server, database=recovered.database)
        with sources.dump(there) as source:
            file = place / source.file
            with file.open("wb") as stream:
                for chunk in counted(source.chunks, "reading what was recovered"):
                    stream.write(chunk)
            return Content(at, file, source.facts())
