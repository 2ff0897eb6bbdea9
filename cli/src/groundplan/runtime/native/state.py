"""What is running: the state file, the supervisor's lock, and stray processes.

The state file is written by the supervisor alone and read by every other command. That a
supervisor lives is told by its lock, which the kernel frees however it ends.
"""

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from groundplan.files import write_whole
from groundplan.runtime.state import ServiceState, SystemState

MARKER = "GROUNDPLAN_SUPERVISED"
"""Environment variable of every process that a supervisor starts; its value is the state folder."""


class StateFile:
    """tmp/INSTANCE/state.json and the lock beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "state.json"
        self._lock_file = folder / "supervisor.lock"
        self._lock: IO[str] | None = None

    def acquire(self) -> bool:
        """Become the one supervisor of this instance; False if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stream = self._lock_file.open("a")
        if not _lock(stream):
            stream.close()
            return False
        self._lock = stream
        self.write(SystemState(supervisor=os.getpid(), started=time.time()))
        return True

    def release(self) -> None:
        """Stop being the supervisor."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def is_supervised(self) -> bool:
        """True while a supervisor lives."""
        if not self._lock_file.exists():
            return False
        with self._lock_file.open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def write(self, state: SystemState) -> None:
        """Replace the state file whole."""
        write_whole({self._file: json.dumps(state.as_dict())})

    def read(self) -> SystemState:
        """The state last written; every service counts as stopped where no supervisor lives."""
        try:
            fields = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return SystemState()
        fields.pop("ready", None)
        services = [ServiceState(**service) for service in fields.pop("services")]
        state = SystemState(services=services, **fields)
        if not self.is_supervised():
            state.supervisor = None
            for service in state.services:
                service.state, service.pid = "stopped", None
        return state

    def stop_supervisor(self, timeout: float) -> bool:
        """Ask the supervisor to stop everything; True once it is gone, False after `timeout` seconds."""
        pid = self.read().supervisor
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while self.is_supervised():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def _lock(stream: IO[str]) -> bool:
    """Try for 0.2 s to lock a file, since a look by `is_supervised` locks it for a moment."""
    for _ in range(20):
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


def strays(folder: Path) -> list[int]:
    """Processes that a supervisor of this state folder started and that are still there."""
    marker, sessions = f"{MARKER}={folder}".encode(), _sessions(folder)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            # Servers that write a title over their environment are known by their session.
            if (
                marker in (entry / "environ").read_bytes().split(b"\0")
                or os.getsid(pid) in sessions
            ):
                found.append(pid)
        except OSError:  # ended meanwhile, or another user's
            continue
    return [pid for pid in found if pid != os.getpid()]


def _sessions(folder: Path) -> set[int]:
    """Sessions of the services as last written, unless the number belongs to a newer process now."""
    file = folder / "state.json"
    try:
        pids = [service["pid"] for service in json.loads(file.read_text())["services"]]
        written = file.stat().st_mtime
    except (FileNotFoundError, json.JSONDecodeError):
        return set()
    return {pid for pid in pids if pid and _started(pid) < written + 1}


def _started(pid: int) -> float:
    """When a process was started, as a time of the wall clock; infinity if it is gone."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        return float("inf")
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def end_strays(folder: Path, grace: float = 3.0) -> int:
    """End all strays, with SIGKILL after `grace` seconds; their number."""
    first = strays(folder)
    number, deadline = signal.SIGTERM, time.monotonic() + grace
    left = first
    while left:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        until = time.monotonic() + 0.5
        while left and time.monotonic() < until:
            time.sleep(0.05)
            left = strays(folder)
        if time.monotonic() > deadline:
            number = signal.SIGKILL
    return len(first)
