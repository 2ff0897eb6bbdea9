"""How long `./gp up --runtime docker` takes with images built, against the limit, and `down` and `status`.

The containers are a project of their own with their own ports; they are removed afterwards with their data.
"""

import os
import statistics
import time

os.environ |= {"GROUNDPLAN_RUNTIME": "docker", "COMPOSE_PROJECT_NAME": "groundplan-bench"}

from system import gp, report

ROUNDS = 3


def timed(*words: str) -> float:
    """Seconds that `./gp` takes."""
    began = time.monotonic()
    gp(*words)
    return time.monotonic() - began


def main() -> None:
    """Start once to build the images, then start and stop by turns."""
    starts: list[float] = []
    stops: list[float] = []
    gp("up", "--detach")
    try:
        gp("down")
        for _ in range(ROUNDS):
            starts.append(timed("up", "--detach"))
            status = timed("status")
            again = timed("up", "--detach")
            stops.append(timed("down"))
    finally:
        gp("down", "--volumes", "--yes")
    report(
        [
            ("up --runtime docker with images built, median", statistics.median(starts), "s", 30),
            ("up again", again, "s", None),
            ("down, median", statistics.median(stops), "s", None),
            ("status", status, "s", None),
        ]
    )


if __name__ == "__main__":
    main()
