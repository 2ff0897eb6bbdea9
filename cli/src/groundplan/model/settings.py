"""config/.env: written once from its example with random secrets, then only read."""

import fcntl
import os
import re
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values

from groundplan.errors import UserError

_RANDOM = re.compile(r"<random (\d+)>")
_ALPHABET = string.ascii_letters + string.digits


def ensure(file: Path, example: Path) -> bool:
    """Write `file` from `example` unless it exists; True if it was written.

    Each `<random N>` becomes N random letters and digits. The file is readable by its owner only.
    """
    if file.exists():
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
        partial = file.with_name(file.name + ".partial")
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(_RANDOM.sub(lambda match: _random_text(int(match[1])), text))
        partial.rename(file)
    return True


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
    values = {name: value or "" for name, value in dotenv_values(file).items()}
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
    return {name: value or "" for name, value in dotenv_values(file).items()}


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
