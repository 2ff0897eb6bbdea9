"""When each was done last, when that is too old, and what went wrong since: status.json."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from backup.progress import log
from backup.settings import Settings

KINDS = ("dump", "drill", "base", "wal", "redis", "storage")
_LONGEST_ERROR = 300


class Status:
    """The state of the backups, shared by the service and the commands."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.state / "status.json"

    def read(self) -> dict[str, Any]:
        """All of it; that of a system without backups if there is none."""
        try:
            found: dict[str, Any] = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            now = datetime.now(UTC).isoformat(timespec="seconds")
            found = {"since": now, "repository": None, "backups": {}}
        for kind in KINDS:
            found["backups"].setdefault(kind, {"last": None, "error": None})
        return found

    def last(self, kind: str) -> datetime | None:
        """When it was done last."""
        text = self.read()["backups"][kind]["last"]
        return datetime.fromisoformat(text) if text else None

    def succeeded(self, kind: str, at: datetime, **facts: Any) -> None:
        """Note that something was done, and facts about it."""
        with self._changing() as found:
            text = at.isoformat(timespec="seconds")
            found["backups"][kind] = {"last": text, "error": None, **facts}

    def failed(self, kind: str, error: Exception | str) -> None:
        """Note that something went wrong; when it was done last stays.

        Where even that can't be written, as on a full disk, the log says so: who calls goes on.
        """
        try:
            with self._changing() as found:
                found["backups"][kind]["error"] = str(error)[:_LONGEST_ERROR]
        except OSError as refused:
            log.error("%s failed: %s; the status can't be written: %s", kind, error, refused)

    def forgotten(self, kind: str) -> None:
        """Note that what was done last is of no use any more."""
        with self._changing() as found:
            found["backups"][kind]["last"] = None

    def belongs_to(self, repository: str) -> None:
        """Note the id of the repository, so that another one in its place is noticed."""
        with self._changing() as found:
            found["repository"] = repository

    def beat(self) -> None:
        """Show that the service lives."""
        if self._file.exists():
            self._file.touch()
        else:
            with self._changing():
                pass

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        self._settings.state.mkdir(parents=True, exist_ok=True)
        with (self._settings.state / "status.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = self.read()
            yield found
            for kind, entry in found["backups"].items():
                entry["stale_at"] = self._stale_at(kind, entry["last"], found["since"])
            partial = self._file.with_suffix(".partial")
            partial.write_text(json.dumps(found) + "\n")
            partial.replace(self._file)

    def _stale_at(self, kind: str, last: str | None, since: str) -> str | None:
        """Development may do without; in production the first is awaited like every other."""
        if last is None and not self._settings.is_production:
            return None
        every: timedelta = getattr(self._settings.every, kind)
        latest = datetime.fromisoformat(last or since) + 1.25 * every + _SLACK[kind]
        return latest.isoformat(timespec="seconds")


_SLACK = {kind: timedelta(hours=1) for kind in KINDS} | {"wal": timedelta(minutes=10)}
