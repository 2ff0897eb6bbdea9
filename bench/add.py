"""How long it takes until a service that is added to the running system answers.

Adds one, starts the system anew, asks it, and removes it again.
"""

import time
from urllib.request import urlopen

from system import gp, report, services

NAME = "added-for-bench"
LIMIT_SECONDS = 60.0


def main() -> None:
    """Measure from `gp add` on the running system to the first answer of the new service."""
    gp("up", "--detach")
    began = time.monotonic()
    gp("add", "service", NAME, "--kind", "fastapi")
    added = time.monotonic()
    try:
        gp("down")
        gp("up", "--detach")
        with urlopen(f"{services()[NAME]['url']}/api/v1/greeting", timeout=10) as answer:  # noqa: S310
            assert answer.status == 200
        answered = time.monotonic()
    finally:
        gp("down")
        gp("remove", NAME, "--yes")
    report(
        [
            ("gp add", added - began, "s", None),
            ("from gp add to the first answer", answered - began, "s", LIMIT_SECONDS),
        ]
    )


if __name__ == "__main__":
    main()
