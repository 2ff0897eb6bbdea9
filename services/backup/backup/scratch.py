"""A server for a while: empty, or with files of a base backup. Nothing of it stays."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backup.errors import BackupError, last_lines
from backup.postgres import Server
from backup.process import TIED, run

OWNER = "scratch"
LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - where a container is asked to
_START_S = 60.0
_POLL_S = 0.1

# It need survive nothing, so it need not wait for the disk.
_QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_wal_size=8GB",
    "maintenance_work_mem=256MB",
    "autovacuum=off",
    "archive_mode=off",
    "ssl=off",
    "unix_socket_directories=",
    # Containers have little memory that is shared the other way.
    "dynamic_shared_memory_type=mmap",
    "log_min_messages=warning",
    "jit=off",
)


@contextmanager
def folder(state: Path) -> Iterator[Path]:
    """An empty folder that the scratch server's account owns, removed afterwards."""
    root = state / "scratch"
    root.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=root))
    try:
        give(made)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove_leftovers(state: Path) -> None:
    """Remove what a killed process left; only for who holds the lock."""
    shutil.rmtree(state / "scratch", ignore_errors=True)


@contextmanager
def empty_server(place: Path, listen: str = LOOPBACK) -> Iterator[Server]:
    """A new server in the folder `place`, with a password of its own."""
    password = secrets.token_urlsafe(24)
    secret, data = place / "password", place / "data"
    secret.write_text(password)
    give(secret)
    words = ("-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    argv = ["initdb", "-D", str(data), "-U", OWNER, "--pwfile", str(secret), *words]
    run([*as_account(), *argv], os.environ, "initdb failed.")
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    with running(place, Server(_reach(listen), free_port(), OWNER, password), listen) as server:
        yield server


@contextmanager
def running(
    place: Path, server: Server, listen: str = LOOPBACK, settings: Sequence[str] = ()
) -> Iterator[Server]:
    """Run the server of the files in `place`/data; raises BackupError if it does not start."""
    own = (f"port={server.port}", f"listen_addresses={listen}", *_QUICK, *settings)
    log = place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *as_account(),
                *TIED,
                "postgres",
                "-D",
                str(place / "data"),
                *(f"--{each}" for each in own),
            ],
            env={**os.environ, "LC_ALL": "C"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            _wait_for(process, server, log)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait()


def give(path: Path) -> None:
    """Make `path` the scratch server's account's own, where that is another than ours."""
    if account := _account():
        os.chown(path, account.pw_uid, account.pw_gid)


def tree(path: Path) -> None:
    """The same for all that is below a folder."""
    for base, folders, files in os.walk(path):
        for name in (*folders, *files):
            give(Path(base) / name)
    give(path)


def _wait_for(process: subprocess.Popen[bytes], server: Server, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    environment = {**server.environment, "PGHOST": LOOPBACK}
    while subprocess.run(["pg_isready", "-q"], env=environment, check=False).returncode:
        if process.poll() is not None:
            raise BackupError("The scratch server ended.", last_lines(log.read_text()))
        if time.monotonic() > deadline and not _is_recovering(log):
            raise BackupError("The scratch server does not start.", last_lines(log.read_text()))
        time.sleep(_POLL_S)


def _is_recovering(log: Path) -> bool:
    """Whether it goes through WAL, which takes as long as it takes."""
    return "redo starts" in log.read_text()


def as_account() -> tuple[str, ...]:
    """PostgreSQL refuses root: what gives that up, where we are root."""
    account = _account()
    if account is None:
        return ()
    ids = ("--reuid", str(account.pw_uid), "--regid", str(account.pw_gid))
    return ("setpriv", *ids, "--clear-groups", "--")


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _reach(listen: str) -> str:
    return socket.gethostname() if listen == _EVERYWHERE else listen


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
