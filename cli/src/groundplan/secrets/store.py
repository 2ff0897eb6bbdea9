"""The files that hold the secrets of production."""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from groundplan.errors import UserError

FOLDER_MODE = 0o700
"""Keeps other people of the host out, whatever the mode of the files."""
FILE_MODE = 0o444
"""Compose mounts a file with the owner that it has here, and every container has another user."""


@dataclass(frozen=True)
class Store:
    """A folder with a file for each secret. The text of a file is the secret, without a newline after it."""

    folder: Path

    def path(self, name: str) -> Path:
        """The file of secret `name`."""
        return self.folder / name

    def find(self, name: str) -> str | None:
        """The secret `name`, or None where there is none; raises UserError where it can't be read."""
        try:
            return self.path(name).read_text().removesuffix("\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{self.path(name)} can't be read.",
                why=str(error) if isinstance(error, OSError) else "It is no text.",
                hint="Type this as the user who made it, or take the file away: ./gp secrets init",
            ) from error

    def mode(self, name: str) -> int:
        """The permissions of the file."""
        return stat.S_IMODE(self.path(name).stat().st_mode)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing secrets; raises UserError where one does already."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise UserError(
                "Another command changes secrets.", hint="Wait until it is done."
            ) from error
        finally:
            os.close(handle)

    def create(self, values: Mapping[str, str]) -> None:
        """Write new secrets: all are on the disk before the first gets its name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(FOLDER_MODE)
        partial = {name: self.path(f".{name}.partial") for name in values}
        try:
            for name, file in partial.items():
                write(file, values[name], FILE_MODE)
            for name, file in partial.items():
                file.rename(self.path(name))
        finally:
            for file in partial.values():
                file.unlink(missing_ok=True)

    def change(self, name: str, value: str) -> None:
        """Put another value into the file of a secret.

        The file stays the same one: it is mounted by itself, and a container would keep seeing
        the old file where a new one took its name, even after a restart.
        """
        if self.find(name) is None:
            self.create({name: value})
            return
        self.path(name).chmod(FILE_MODE | stat.S_IWUSR)
        content = value.encode()
        with self.path(name).open("r+b", buffering=0) as file:
            file.write(content)
            file.truncate(len(content))
            os.fsync(file.fileno())
        self.path(name).chmod(FILE_MODE)


def write(file: Path, text: str, mode: int) -> None:
    """Write a new file that nobody else could read at any moment, then give it `mode`."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        os.fsync(stream.fileno())
    file.chmod(mode)
