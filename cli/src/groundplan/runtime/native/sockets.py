"""Who listens on a port of this machine, from /proc; on systems without it nobody knows."""

import os
from collections.abc import Iterator
from pathlib import Path

_LISTEN = "0A"


def is_foreign(port: int, leader: int) -> bool:
    """True if a process that neither belongs to the session of `leader` nor descends from it listens.

    A process of another user can't be looked into: it is foreign, since ours can be.
    """
    inodes = set(_listening(port))
    processes = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return bool(inodes) and not any(_holds(p, inodes) for p in processes if _is_of(p, leader))


def _listening(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on `port`."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for _, local, _, state, *rest in map(str.split, lines):
            if state == _LISTEN and int(local.rpartition(":")[2], 16) == port:
                yield f"socket:[{rest[5]}]"


def _is_of(pid: int, leader: int) -> bool:
    try:
        while pid > 1:
            if leader in (pid, os.getsid(pid)):
                return True
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        pass
    return False


def _holds(pid: int, inodes: set[str]) -> bool:
    try:
        return any(str(file.readlink()) in inodes for file in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
