"""The restore drill: an empty server, restored, compared, and used by the application."""

import time
from collections.abc import Callable
from typing import Any

from backup import facts, recovery, scratch
from backup.catalog import LATEST, Catalog
from backup.errors import BackupError
from backup.load import create_roles, load, save
from backup.manifest import Manifest
from backup.settings import Settings

Smoke = Callable[[dict[str, Any]], None]
"""Uses the restored database of a server; raises BackupError."""


def verify(
    settings: Settings, catalog: Catalog, wanted: str, smoke: Smoke | None, listen: str
) -> dict[str, Any]:
    """Restore a backup where nothing can be harmed; raises BackupError if it is not good."""
    began = time.monotonic()
    manifest = catalog.manifest(catalog.get(wanted or LATEST))
    drills = {"dump": _dump, "base": _base}
    drill = drills.get(manifest.kind, _read)
    found = drill(settings, catalog, manifest, smoke, listen)
    seconds = round(time.monotonic() - began, 1)
    return {
        "id": manifest.id,
        "kind": manifest.kind,
        "tables": found.get("tables"),
        "rows": found.get("rows"),
        "seconds": seconds,
        "smoke": "passed" if smoke and manifest.kind == "dump" else "left out",
        "figures": {"rto_seconds": seconds},
    }


def _dump(
    settings: Settings, catalog: Catalog, manifest: Manifest, smoke: Smoke | None, listen: str
) -> dict[str, Any]:
    """Load it into an empty server, and compare every table."""
    expected = manifest.facts
    with scratch.folder(settings.state) as place:
        file = save(catalog, manifest, place)
        with scratch.empty_server(place, listen) as server:
            create_roles(server, expected["roles"])
            load(server, expected["database"], file, expected)
            if smoke:
                smoke(
                    {
                        "event": "scratch",
                        "host": server.host,
                        "port": server.port,
                        "user": server.user,
                        "password": server.password,
                        "database": expected["database"],
                    }
                )
    return {"tables": len(expected["tables"]), "rows": manifest.rows}


def _base(
    settings: Settings, catalog: Catalog, manifest: Manifest, _smoke: Smoke | None, _listen: str
) -> dict[str, Any]:
    """Recover all that was received, and read every row of it."""
    with (
        scratch.folder(settings.state) as place,
        recovery.recovered(settings, catalog, manifest, None, place) as recovered,
        recovered.server.connect(recovered.database) as connection,
    ):
        tables = facts.checksums(connection)
    if not tables:
        raise BackupError("What was recovered has no tables.")
    return {"tables": len(tables), "rows": sum(table["rows"] for table in tables.values())}


def _read(
    _settings: Settings, catalog: Catalog, manifest: Manifest, _smoke: Smoke | None, _listen: str
) -> dict[str, Any]:
    """Read all of it and hold it against its checksum."""
    for _ in catalog.content(manifest):
        pass
    return {}
