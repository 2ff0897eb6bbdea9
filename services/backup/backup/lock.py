"""One at a time: nothing else makes, checks, restores or prunes backups while the lock is held.

WAL has a lock of its own: it is stored all the time, also while a backup takes hours.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backup.errors import LockedError
from backup.progress import progress
from backup.settings import Settings

WAIT_S = 600.0
_POLL_S = 0.2


@contextmanager
def held(settings: Settings, what: str, wait: float = WAIT_S, name: str = "lock") -> Iterator[None]:
    """Hold the lock, which the kernel frees however this process ends; raises LockedError."""
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / name).open("a+") as stream:
        deadline, has_told = time.monotonic() + wait, False
        while not _taken(stream.fileno()):
            stream.seek(0)
            other = stream.read() or "another command"
            if time.monotonic() >= deadline:
                raise LockedError(
                    "Something else is under way.", f"It is {other}.", "Try again once it is over."
                )
            if not has_told:
                progress(f"waiting for {other}")
                has_told = True
            time.sleep(_POLL_S)
        stream.truncate(0)
        stream.write(what)
        stream.flush()
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
