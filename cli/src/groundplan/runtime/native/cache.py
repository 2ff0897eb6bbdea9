"""The cache of servers and toolchains, shared by all workspaces of a user."""

import fcntl
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from groundplan.errors import UserError

Report = Callable[[str], None]
"""Shows a short text about the progress, e.g. "12 of 45 MB"."""


def folder() -> Path:
    """$GROUNDPLAN_CACHE, or /var/cache/groundplan for root, or ~/.cache/groundplan.

    Root's cache lies outside /root, since servers that root starts give up their privileges
    and must still be able to read their programs.
    """
    if given := os.environ.get("GROUNDPLAN_CACHE"):
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/cache/groundplan")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "groundplan"


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the cache's lock `name`, so that two workspaces never fetch the same thing at once."""
    path = folder() / "locks" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w")
    except OSError as error:
        raise UserError(
            f"The cache {folder()} can't be written.",
            why=f"{error.strerror}.",
            hint="Set GROUNDPLAN_CACHE to a folder of yours.",
        ) from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def install(target: Path, build: Callable[[Path], None]) -> None:
    """Make the folder `target` by `build(partial)`; it appears whole or not at all."""
    with lock(target.name):
        if target.exists():
            return
        partial = target.with_name(target.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        build(partial)
        partial.rename(target)


_running: set[subprocess.Popen[str]] = set()


def run(
    argv: list[str], what: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run a command to its end and return its output; raises UserError with its last lines."""
    lines = list(stream(argv, what, env, cwd))
    return "\n".join(lines)


def stream(
    argv: list[str], what: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> Iterator[str]:
    """Run a command and give its lines as they come; raises UserError with the last ones if it fails."""
    with subprocess.Popen(
        argv,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        _running.add(process)
        last: deque[str] = deque(maxlen=20)
        for line in process.stdout or ():
            last.append(line.rstrip())
            yield last[-1]
        _running.discard(process)
    if process.returncode != 0:
        said = "\n  ".join(last) or f"{argv[0]} ended with {process.returncode} and said nothing."
        raise UserError(f"{what} failed.", why=f"\n  {said}")


def abort() -> None:
    """End every command that still runs, since nobody waits for it any more."""
    for process in set(_running):
        process.terminate()


def megabytes(size: float) -> str:
    """Bytes as a short text in MB."""
    return f"{size / 1e6:.1f} MB"


def tree_size(path: Path) -> int:
    """Bytes of all files below `path` (of those still there while it is read)."""
    total = 0
    for base, _, files in os.walk(path):
        for name in files:
            try:
                total += (Path(base) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


@contextmanager
def watch_size(path: Path, report: Report, total: int | None = None) -> Iterator[None]:
    """Report about twice a second how much lies in `path`, once there is something, while a command fills it."""
    ended = threading.Event()
    suffix = f" of {megabytes(total)}" if total else ""

    def watch() -> None:
        while not ended.wait(0.4):
            if size := tree_size(path):
                report(megabytes(size) + suffix)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
