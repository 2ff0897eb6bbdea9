"""Ends what a dead supervisor left behind. Run as a script, with the supervisor's pipe as input.

The supervisor writes "+PGID" for each process group that it starts and "-PGID" when it is gone.
End of input means that the supervisor is gone too, however it went: what is left is asked to
end, and after a grace killed. Only the standard library's quick parts are imported, since this
process lives as long as the system runs.
"""

import os
import signal
import sys
import time

GRACE = 5.0


def main() -> None:
    """Follow the supervisor until it ends, then end what is left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line[0] == "+":
            groups.add(number)
        else:
            groups.discard(number)
    end_groups(groups)


def end_groups(groups: set[int]) -> None:
    """SIGTERM to every group, SIGKILL to those that are there after the grace."""
    deadline = time.monotonic() + GRACE
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """True if the group is there and could be signalled."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
