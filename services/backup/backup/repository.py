"""Where backups are kept: restic encrypts, checks, deduplicates and forgets them."""

import hashlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup.errors import BackupError, LockedError, ProgramError, last_lines
from backup.process import feed, output_of, run
from backup.settings import Settings

_ABSENT = ("Is there a repository at", "repository does not exist")
_LOCKED = "already locked"
_DAMAGE = (
    "ciphertext verification failed",
    "unexpected eof",
    "does not match id",
    "invalid data returned",
    "load(<data/",
    "not found in index",
)
# WAL is stored at any time, and keeps others out for as long as that takes.
_LOCK_WAIT_S = 60.0
_KNOWN = (
    (
        "wrong password",
        "It is encrypted with another key.",
        "Give the key that it was made with: BACKUP_PASSWORD.",
    ),
    *(
        (sign, "Data in it are damaged.", "Take another backup: ./gp backup list")
        for sign in _DAMAGE
    ),
    ("no space left", "No space is left there.", "Free some space, or: ./gp backup prune"),
    ("disk quota exceeded", "The quota is used up.", "Free some space, or: ./gp backup prune"),
    (
        _LOCKED,
        "Somebody else works with it.",
        "Try again in a while. What was killed on another machine lets go after half an hour.",
    ),
    ("connection refused", "The storage does not answer.", "Is it up? Look at BACKUP_REPOSITORY."),
    ("no such host", "The storage is not known.", "Look at BACKUP_REPOSITORY."),
    *(
        (sign, "The storage refuses the key.", "Look at BACKUP_S3_ACCESS_KEY_ID.")
        for sign in ("access denied", "access key id you provided", "signature we calculated")
    ),
    ("permission denied", "It may not be read or written.", "Look at the folder's owner."),
    ("read-only file system", "It can't be written.", "Look at how it is mounted."),
)


@dataclass(frozen=True)
class Snapshot:
    """One thing in the repository."""

    id: str
    time: datetime
    tags: dict[str, str]


@dataclass(frozen=True)
class Stored:
    """What was stored."""

    snapshot: str
    size: int
    sha256: str


class Repository:
    """The repository of the settings. Everything raises BackupError."""

    def __init__(self, settings: Settings) -> None:
        self.place = settings.repository
        self._cache = settings.state / "cache"
        temporary = settings.state / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **os.environ,
            "RESTIC_REPOSITORY": settings.repository,
            "RESTIC_PASSWORD": settings.password,
            "AWS_ACCESS_KEY_ID": settings.s3_access_key_id,
            "AWS_SECRET_ACCESS_KEY": settings.s3_secret_access_key,
            "RESTIC_PROGRESS_FPS": "0.016",
            "TMPDIR": str(temporary),
            "TZ": "UTC",
        }

    def id(self) -> str | None:
        """What tells this repository from every other, or None where there is none."""
        try:
            return str(json.loads(self._run("cat", "config", "--no-lock"))["id"])
        except ProgramError as error:
            if any(word in error.said for word in _ABSENT):
                return None
            raise

    def create(self) -> str:
        """Make a new, empty repository; returns its id."""
        self._run("init")
        found = self.id()
        return found or ""

    def add_key(self, password: str) -> None:
        """Let another password open the repository, too."""
        with tempfile.NamedTemporaryFile("w", dir=self._environment["TMPDIR"]) as file:
            file.write(password)
            file.flush()
            self._run("key", "add", "--new-password-file", file.name)

    def remove_other_keys(self) -> int:
        """Leave the one password that is in use; returns how many are gone."""
        others = [
            each["id"]
            for each in json.loads(self._run("key", "list", "--json"))
            if not each["current"]
        ]
        for key in others:
            self._run("key", "remove", key)
        return len(others)

    def snapshots(self, **tags: str) -> list[Snapshot]:
        """All snapshots with these tags, oldest first."""
        wanted = ",".join(f"{name}={value}" for name, value in tags.items())
        listed = json.loads(self._run("snapshots", "--json", *(("--tag", wanted) if tags else ())))
        found = [
            Snapshot(each["id"], _time(each["time"]), _tags(each.get("tags") or ()))
            for each in listed or ()
        ]
        return sorted(found, key=lambda snapshot: snapshot.time)

    def store(
        self, chunks: Iterable[bytes], file: str, tags: dict[str, str], at: datetime
    ) -> Stored:
        """Store a stream as a file. If the stream fails, nothing is stored."""
        digest, size = hashlib.sha256(), 0

        def measured() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                yield chunk
                digest.update(chunk)
                size += len(chunk)

        argv = self._argv("backup", "--json", "--stdin", "--stdin-filename", file)
        try:
            output = feed([*argv, *_tagged(tags, at)], self._environment, measured(), "")
        except ProgramError as error:
            raise self._failed("backup", error.said) from error
        return Stored(_snapshot_of(output), size, digest.hexdigest())

    def store_folder(self, folder: Path, tags: dict[str, str], at: datetime) -> str:
        """Store a folder as it is now; returns the snapshot's id."""
        # A new link to a file changes its ctime, and is no reason to read it again.
        words = ("--json", "--ignore-ctime", str(folder), *_tagged(tags, at))
        return _snapshot_of(self._run("backup", *words))

    def read(self, snapshot: str, file: str) -> Iterator[bytes]:
        """The content of a stored file. Damage raises BackupError, at the latest at the end."""
        try:
            yield from output_of(self._argv("dump", snapshot, f"/{file}"), self._environment, "")
        except ProgramError as error:
            raise self._failed("dump", error.said) from error

    def restore_folder(self, snapshot: str, target: Path) -> None:
        """Write all files of a snapshot of a folder into `target`, which is made."""
        self._run("restore", snapshot, "--target", str(target))

    def expire(self, keep: Sequence[str], **tags: str) -> list[str]:
        """Which snapshots with these tags the policy `keep` would forget."""
        wanted = ",".join(f"{name}={value}" for name, value in tags.items())
        answer = self._run(
            "forget", "--dry-run", "--json", "--group-by", "", "--tag", wanted, *keep
        )
        groups = json.loads(answer) if answer.strip() else []
        return [each["id"] for group in groups or () for each in group.get("remove") or ()]

    def forget(self, snapshots: Sequence[str]) -> None:
        """Forget snapshots; their data go with the next `prune`."""
        if snapshots:
            self._run("forget", *snapshots)

    def prune(self) -> None:
        """Remove the data that no snapshot needs."""
        self._run("prune")

    def unlock(self) -> None:
        """Remove locks that a killed process of this machine left, and those that are out of date.

        Only for who holds the lock of this service: none of its processes can be at work then.
        """
        self._run("unlock")
        locks = self._run("list", "locks", "--no-lock", "--quiet").split()
        found = [json.loads(self._run("cat", "lock", lock, "--no-lock")) for lock in locks]
        if found and all(each["hostname"] == socket.gethostname() for each in found):
            self._run("unlock", "--remove-all")

    def _run(self, *words: str) -> str:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                return run(self._argv(*words), self._environment, "")
            except ProgramError as error:
                known = self._failed(words[0], error.said)
                if not isinstance(known, LockedError) or time.monotonic() > deadline:
                    raise known from error
            time.sleep(1.0)

    def _argv(self, *words: str) -> list[str]:
        return ["restic", *words, "--cache-dir", str(self._cache)]

    def _failed(self, word: str, text: str) -> BackupError:
        what = f"The repository {self.place} failed (restic {word})."
        for sign, meaning, hint in _KNOWN:
            if sign in text.lower():
                kind = LockedError if sign == _LOCKED else BackupError
                return kind(what, meaning, hint)
        return ProgramError(what, text)


def _tagged(tags: dict[str, str], at: datetime) -> tuple[str, ...]:
    joined = ",".join(f"{name}={value}" for name, value in tags.items())
    return ("--tag", joined, "--time", at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"))


def _tags(tags: Sequence[str]) -> dict[str, str]:
    return dict(tag.partition("=")[::2] for tag in tags)


def _time(text: str) -> datetime:
    # restic writes nanoseconds, which datetime does not read.
    return datetime.fromisoformat(text[:19] + "+00:00")


def _snapshot_of(output: str) -> str:
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in output.splitlines() if line.startswith("{")
    ]
    for line in reversed(lines):
        if line.get("message_type") == "summary":
            return str(line["snapshot_id"])
    raise BackupError("restic stored nothing.", last_lines(output))
