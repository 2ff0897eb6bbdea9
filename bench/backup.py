"""Backups of 1,000,000 users: a dump, its drill, its restore, and recovery to a point in time.

What is restored takes the place of the database, and the old one is dropped.
"""

import json
from datetime import UTC, datetime
from typing import Any

from system import gp, report

USERS = 1_000_000
RATIO = 3.0


def ask(*words: str) -> Any:
    """What a command of `./gp` answers."""
    return json.loads(gp(*words, "--json"))


def restored(*words: str) -> float:
    """Seconds of a restore, after which nothing of it is left beside the database."""
    seconds = float(ask("restore", *words, "--swap", "--yes")["seconds"])
    gp("restore", "--drop-old", "--yes")
    return seconds


def measure() -> None:
    """Seed, then make one of each."""
    gp("db", "seed", str(USERS))
    [base] = ask("backup", "now", "--kind", "base")["backups"]
    [dump] = ask("backup", "now")["backups"]
    drill = ask("backup", "verify", dump["id"])
    seconds = restored(dump["id"])
    moment = datetime.now(UTC).isoformat()
    report(
        [
            ("dump of 1,000,000 users", dump["seconds"], "s", None),
            ("dump, as it is read", dump["bytes"] / 1e6, "MB", None),
            ("base backup", base["seconds"], "s", None),
            ("base backup, as it is read", base["bytes"] / 1e6, "MB", None),
            ("drill, with the smoke test", drill["seconds"], "s", None),
            ("restore", seconds, "s", None),
            ("restore / dump", seconds / dump["seconds"], "x", RATIO),
            ("recovery to a point in time", restored("--time", moment), "s", None),
        ]
    )


if __name__ == "__main__":
    measure()
