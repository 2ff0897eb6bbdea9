"""An export of 1,000,000 users against `psql \\copy … | gzip` of the same rows.

Both write CSV compressed by gzip -1, by turns; the export also uploads to the storage. gzip's
default level is shown for comparison: it is what `| gzip` does, and takes longer.
"""

import statistics
import subprocess
import threading
import time

import httpx2

from system import ROOT, gp, memory, report, services, signed_in

USERS = 1_000_000
ROUNDS = 3
QUERY = (
    "SELECT u.id, u.email, u.name, r.name AS role, u.is_active, u.created_at"
    " FROM users u JOIN roles r ON r.id = u.role_id"
)


def psql(level: int) -> float:
    """Seconds of the peer."""
    began = time.monotonic()
    copy = subprocess.Popen(
        [
            ROOT / "gp",
            "db",
            "shell",
            "--",
            "-c",
            f"\\copy ({QUERY}) TO STDOUT WITH (FORMAT csv, HEADER)",
        ],
        stdout=subprocess.PIPE,
    )
    subprocess.run(["gzip", f"-{level}"], stdin=copy.stdout, stdout=subprocess.DEVNULL, check=True)
    if copy.wait():
        raise SystemExit("psql failed.")
    return time.monotonic() - began


def export(client: httpx2.Client) -> float:
    """Seconds of one export, from its start in the worker to its end."""
    job = client.post(
        "/export", json={"type": "users", "format": "csv", "compression": "gzip"}
    ).json()
    began = time.monotonic()
    while job["status"] in ("queued", "running"):
        time.sleep(0.02)
        job = client.get(f"/jobs/{job['id']}").json()
    if job["status"] != "succeeded" or job["result"]["rows"] < USERS:
        raise SystemExit(f"The export did not succeed: {job}")
    return time.monotonic() - began


class MemoryWatch:
    """The most memory that a process and its descendants used while this runs."""

    def __init__(self, pid: int) -> None:
        self.most = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.most = max(self.most, memory(self._pid))

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def main() -> None:
    """Seed, then run the export and its peer by turns."""
    gp("db", "seed", str(USERS))
    client = signed_in()
    ours: list[float] = []
    peer: list[float] = []
    with MemoryWatch(services()["worker"]["pid"]) as watch:
        for _ in range(ROUNDS):
            ours.append(export(client))
            peer.append(psql(1))
    default = psql(6)
    first, second = statistics.median(ours), statistics.median(peer)
    report(
        [
            ("export", first, "s", None),
            ("psql \\copy | gzip -1", second, "s", None),
            ("psql \\copy | gzip (its default level, 6)", default, "s", None),
            ("export / psql | gzip -1", first / second, "×", 1.5),
            ("most memory of the worker, with its watcher", watch.most, "MiB", 150),
        ]
    )


if __name__ == "__main__":
    main()
