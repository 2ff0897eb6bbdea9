"""Files that are written whole or not at all."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def write_whole(contents: Mapping[Path, str | bytes], mode: int | None = None) -> None:
    """Write files: every content is beside its file before one takes its place.

    Files get `mode` and are never open to more; without one a file keeps its own, and a new one
    gets what the user's mask leaves. Raises OSError, which names what can't be written; what was
    beside the files is gone then.
    """
    try:
        for file, content in contents.items():
            _write_beside(file, content, mode)
        for file in contents:
            partial_of(file).replace(file)
    except OSError:
        for file in contents:
            with suppress(OSError):
                partial_of(file).unlink()
        raise


def partial_of(file: Path) -> Path:
    """The name under which `file` is written until it is whole."""
    return file.with_name(f".{file.name.removeprefix('.')}.partial")


def _write_beside(file: Path, content: str | bytes, mode: int | None) -> None:
    if mode is None and file.exists():
        mode = file.stat().st_mode & 0o777
    # What a killed command left may be open to others: it is not written into.
    partial_of(file).unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    handle = os.open(partial_of(file), flags, 0o666 if mode is None else mode & 0o700)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
        if mode is not None:
            os.fchmod(handle, mode)
