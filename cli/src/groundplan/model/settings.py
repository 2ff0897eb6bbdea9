"""config/.env: written from its example with random secrets; what it holds is never changed."""

import fcntl
import os
import re
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundplan.errors import UserError
from groundplan.files import write_whole
from groundplan.model import env_file

_RANDOM = re.compile(r"<random (\d+)>")
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=", re.MULTILINE)
_ALPHABET = string.ascii_letters + string.digits
_MODE = 0o600


def ensure(file: Path, example: Path) -> bool:
    """Write `file` from `example` unless it exists; True if it was written.

    Each `<random N>` becomes N random letters and digits. The file is readable by its owner only.
    A file that exists gets the settings of the example that it lacks, at its end.
    """
    if file.exists():
        _complete(file, example)
        return False
    try:
        text = example.read_text()
    except FileNotFoundError as error:
        raise UserError(
            f"{example.name} is missing, so {file.name} can't be written.",
            hint=f"Restore it: git checkout -- {example}",
        ) from error
    file.parent.mkdir(parents=True, exist_ok=True)
    with _locked(file.parent):
        if file.exists():  # another command was quicker
            return False
        write_whole({file: _with_random_values(text)}, _MODE)
    return True


def _complete(file: Path, example: Path) -> None:
    """Add what came into the example later, as the settings of a service that was added."""
    if not example.exists() or not _missing(file, example):
        return
    with _locked(file.parent):
        lines = [_with_random_values(line) for line in _missing(file, example)]
        text = file.read_text()
        write_whole({file: "\n".join([text.rstrip("\n"), *lines, ""])}, _MODE)


def _missing(file: Path, example: Path) -> list[str]:
    """The lines of the example that set what `file` does not."""
    given = {match[1] for match in _ASSIGNMENT.finditer(file.read_text())}
    lines = example.read_text().splitlines()
    return [line for line in lines if (it := _ASSIGNMENT.match(line)) and it[1] not in given]


def _with_random_values(text: str) -> str:
    return _RANDOM.sub(lambda match: _random_text(int(match[1])), text)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read(file: Path) -> dict[str, str]:
    """The settings in `file`; raises UserError where a placeholder was left in it."""
    values = env_file.read(file, os.environ)
    left = [name for name, value in values.items() if _RANDOM.search(value)]
    if left:
        raise UserError(
            f"{file} still holds the placeholder of {', '.join(left)}.",
            why="Nothing starts on a default secret.",
            hint=f"Put a random value there, or delete {file} and run ./gp up, which writes it anew.",
        )
    return values


def read_example(file: Path) -> dict[str, str]:
    """The settings in the example; a `<random N>` stays as it is written."""
    return env_file.read(file, {})


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
