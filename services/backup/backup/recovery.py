"""Recovery to a point in time: the newest base backup before it, then WAL up to it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backup import scratch
from backup.catalog import Catalog
from backup.errors import BackupError
from backup.manifest import Manifest
from backup.postgres import Server
from backup.process import feed, run
from backup.progress import progress
from backup.settings import Settings

_LAST = re.compile(r"last completed transaction was at log time (\S+ \S+)")


@dataclass(frozen=True)
class Recovered:
    """A server as it was at the moment that was asked for."""

    server: Server
    database: str
    base: str


def parse_time(text: str) -> datetime | None:
    """A moment from ISO 8601 with a zone, or None for `latest`; raises BackupError."""
    if text == "latest":
        return None
    hint = "For example 2026-11-23T08:15:30Z, or latest."
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BackupError(f"{text!r} is no time.", str(error), hint) from error
    if moment.tzinfo is None:
        raise BackupError(f"{text!r} has no time zone.", hint=hint)
    if moment > datetime.now(UTC):
        raise BackupError(f"{text} lies in the future.", hint=hint)
    return moment.astimezone(UTC)


def choose_base(catalog: Catalog, moment: datetime | None) -> Manifest:
    """The newest base backup that was complete at `moment`; raises BackupError."""
    for backup in reversed(catalog.own("base")):
        # The stored time has no fractions of a second.
        complete = backup.time + timedelta(seconds=backup.seconds + 1)
        if moment is None or complete <= moment:
            return catalog.manifest(backup)
    oldest = catalog.own("base")[:1]
    why = (
        f"The first base backup is of {oldest[0].time.isoformat()}."
        if oldest
        else "There is no base backup yet."
    )
    raise BackupError("Recovery does not reach back so far.", why, "./gp backup list")


@contextmanager
def recovered(
    settings: Settings, catalog: Catalog, base: Manifest, moment: datetime | None, place: Path
) -> Iterator[Recovered]:
    """A scratch server in `place` as it was at `moment`, or with all there is (None)."""
    data, wal = place / "data", place / "wal"
    data.mkdir(mode=0o700)
    feed(["tar", "-x", "-C", str(data)], os.environ, catalog.content(base), "tar failed.")
    progress("checking the files of the base backup")
    run(["pg_verifybackup", "--no-parse-wal", str(data)], os.environ, "Files are damaged.")
    _fetch_wal(settings, catalog, str(base.facts["cluster"]), wal)
    _configure(data, wal, moment)
    scratch.tree(place)
    server = Server(scratch.LOOPBACK, scratch.free_port(), base.facts["owner"], "")
    progress(f"recovering {base.id} to {moment.isoformat() if moment else 'the end'}")
    try:
        with scratch.running(place, server) as running:
            yield Recovered(running, base.facts["database"], base.id)
    except BackupError as error:
        raise _explained(error, place / "log") from error


def _fetch_wal(settings: Settings, catalog: Catalog, cluster: str, target: Path) -> None:
    """The WAL that was received since, where there is any; the base backup holds what it needs."""
    target.mkdir()
    tags = {"kind": "wal", "system": settings.system, "cluster": cluster}
    for snapshot in reversed(catalog.repository.snapshots(**tags)[-1:]):
        progress("reading the WAL")
        catalog.repository.restore_folder(snapshot.id, target)
    for segment in list(target.rglob("*")):
        if segment.is_file():
            # The last one is still being written; what it lacks are zeros.
            segment.rename(target / segment.name.removesuffix(".partial"))


def _configure(data: Path, wal: Path, moment: datetime | None) -> None:
    """Settings of its own: those of the server may name files that are not here."""
    # A restored file is read where it lies.
    settings = [f'restore_command = \'cp "{wal}/%f" "%p"\'', "hot_standby = off"]
    if moment:
        settings += [f"recovery_target_time = '{moment.isoformat()}'"]
        settings += ["recovery_target_action = 'promote'"]
    (data / "postgresql.conf").write_text("\n".join(settings) + "\n")
    (data / "postgresql.auto.conf").write_text("")
    (data / "pg_hba.conf").write_text(f"host all all {scratch.LOOPBACK}/32 trust\n")
    (data / "recovery.signal").touch()


def _explained(error: BackupError, log: Path) -> BackupError:
    """Why recovery ended early, as people ask for it."""
    text = log.read_text() if log.exists() else ""
    if "before configured recovery target was reached" not in text:
        return error
    last = _LAST.findall(text)
    why = f"The last change that was received is of {last[-1]} UTC." if last else error.why
    return BackupError(
        "There is no WAL up to that time.", why, "All there is: ./gp restore --time latest"
    )
