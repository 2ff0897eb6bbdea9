"""WAL: received from PostgreSQL all the time into a spool, which is stored whenever it changed."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from backup.errors import BackupError, ProgramError
from backup.lock import held
from backup.postgres import Connection
from backup.process import TIED, said
from backup.progress import log
from backup.repository import Repository
from backup.settings import Settings

SLOT = "groundplan_backup"
_RETRY_S = 5.0
_CATCH_UP_S = 15.0
_SEGMENT = slice(8, 24)  # of a file's name, after its timeline


class Receiver:
    """Keeps pg_receivewal running, through every outage of the server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.error: str | None = "not connected yet"
        self.has_gap = threading.Event()
        """WAL was lost, so that recovery needs a new base backup."""

    def run(self, stop: threading.Event) -> None:
        """Receive until `stop`."""
        while not stop.is_set():
            try:
                self._receive(stop)
            except (BackupError, OSError) as error:
                if str(error) != self.error:
                    log.warning("WAL is not received: %s", error)
                self.error = str(error)
            stop.wait(_RETRY_S)

    def _receive(self, stop: threading.Event) -> None:
        server = self._settings.postgres
        with server.connect(self._settings.database) as connection:
            folder = spool(self._settings, cluster_of(connection))
            if _make_slot(connection, folder):
                self.has_gap.set()
            _remove_short(connection, folder)
        argv = ["pg_receivewal", "-D", str(folder), "--slot", SLOT, "--no-loop"]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [*TIED, *argv, "--status-interval=1"],
                env=server.environment,
                stdin=subprocess.DEVNULL,
                stderr=errors,
            )
            try:
                while process.poll() is None and not stop.wait(1.0):
                    # It ends at once where it can't connect.
                    self.error = None
            finally:
                process.terminate()
                process.wait()
            if not stop.is_set():
                raise ProgramError("pg_receivewal ended.", said(errors))


class Spool:
    """What was received, and what of it is in the repository."""

    def __init__(self, settings: Settings, repository: Repository) -> None:
        self._settings = settings
        self.repository = repository
        self._stored: dict[str, dict[str, tuple[int, int]]] = {}

    def store(self) -> bool:
        """Store every spool that changed since it was stored last; raises BackupError."""
        # The service and a restore both do this, with the same views.
        with held(self._settings, "the storing of WAL", name="wal.lock"):
            spools = sorted((self._settings.state / "spool").glob("*"))
            stored = [self._store(folder) for folder in spools]
        return any(stored)

    def _store(self, folder: Path) -> bool:
        view = _view(self._settings, folder)
        found = {each.name: _version(each) for each in view.iterdir()}
        if not found or found == self._stored.get(folder.name):
            return False
        tags = {"kind": "wal", "system": self._settings.system, "cluster": folder.name}
        self.repository.store_folder(view, tags, datetime.now(UTC))
        self._stored[folder.name] = found
        return True


def spool(settings: Settings, cluster: str) -> Path:
    """The folder of WAL of one cluster: that of another one must never get between."""
    folder = settings.state / "spool" / cluster
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cluster_of(connection: Connection) -> str:
    """What tells this cluster from every other."""
    [[cluster]] = connection.run("SELECT system_identifier::text FROM pg_control_system()")
    return str(cluster)


def trim(settings: Settings, cluster: str, first: str) -> None:
    """Remove segments before `first`, which no base backup needs any more."""
    for segment in spool(settings, cluster).iterdir():
        if segment.suffix != ".history" and segment.name[_SEGMENT] < first[_SEGMENT]:
            segment.unlink(missing_ok=True)


def catch_up(settings: Settings, repository: Repository) -> None:
    """Store all that the server has written up to now, if it is there; its spool in any case."""
    with suppress(BackupError), settings.postgres.connect(settings.database) as connection:
        # A commit after the moment that is asked for shows that nothing before it is missing.
        connection.run("SELECT pg_current_xact_id()")
        [[position]] = connection.run("SELECT pg_current_wal_insert_lsn()::text")
        deadline = time.monotonic() + _CATCH_UP_S
        while _lacks(connection, position) and time.monotonic() < deadline:
            time.sleep(0.1)
    Spool(settings, repository).store()


def _lacks(connection: Connection, position: str) -> bool:
    """Whether somebody receives WAL and has not got that far."""
    rows = connection.run(
        "SELECT r.write_lsn >= CAST(:position AS pg_lsn) FROM pg_replication_slots s "
        "JOIN pg_stat_replication r ON r.pid = s.active_pid WHERE s.slot_name = :slot",
        position=position,
        slot=SLOT,
    )
    return bool(rows) and not rows[0][0]


def _make_slot(connection: Connection, folder: Path) -> bool:
    """Make sure that the slot is there; True if WAL was lost since the spool was written."""
    rows = connection.run(
        "SELECT wal_status FROM pg_replication_slots WHERE slot_name = :slot", slot=SLOT
    )
    if rows and rows[0][0] != "lost":
        return False
    if rows:
        log.error("The server kept no WAL for us while we were away. A new base backup is due.")
        connection.run("SELECT pg_drop_replication_slot(:slot)", slot=SLOT)
    connection.run("SELECT pg_create_physical_replication_slot(:slot, true)", slot=SLOT)
    had_any = any(folder.iterdir())
    for segment in folder.iterdir():
        segment.unlink()
    return had_any


def _remove_short(connection: Connection, folder: Path) -> None:
    """Remove a file that a full disk cut short: pg_receivewal refuses to go on while it is there.

    It fills a file with zeros before it writes WAL to it, so that a short one holds none.
    """
    [[size]] = connection.run("SELECT pg_size_bytes(current_setting('wal_segment_size'))")
    for segment in folder.glob("*.partial"):
        if segment.stat().st_size != size:
            segment.unlink()


def _version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _view(settings: Settings, folder: Path) -> Path:
    """The files under names that stay while they are read: the last is renamed once it is full."""
    view = settings.state / "view" / folder.name
    while True:
        shutil.rmtree(view, ignore_errors=True)
        view.mkdir(parents=True)
        try:
            for segment in folder.iterdir():
                os.link(segment, view / segment.name)
        except FileNotFoundError:
            continue
        return view
