"""How long the system takes to start and stop, and what it uses at rest.

RabbitMQ alone sets the pace: it is started alone and with everything else by turns, and the
medians are compared.
"""

import statistics
import time

from system import descendants, gp, memory, report, services, supervisor

ROUNDS = 3
REST_SECONDS = 10.0


def timed(*words: str) -> float:
    """Seconds that `./gp` takes."""
    began = time.monotonic()
    gp(*words)
    return time.monotonic() - began


def main() -> None:
    """Start and stop by turns, then measure the memory of the whole system at rest."""
    alone: list[float] = []
    whole: list[float] = []
    stops: list[float] = []
    gp("down")
    for _ in range(ROUNDS):
        alone.append(timed("up", "--detach", "rabbitmq"))
        gp("down")
        whole.append(timed("up", "--detach"))
        stops.append(timed("down"))
    gp("up", "--detach")
    status = statistics.median(timed("status") for _ in range(ROUNDS))
    time.sleep(REST_SECONDS)
    running = services()
    used = memory(supervisor())  # the services are its descendants
    for name, service in running.items():
        if service["pid"]:
            count = len(list(descendants(service["pid"])))
            print(f"  {name:<12} {memory(service['pid']):7.1f} MiB in {count} processes")
    first, all_ = statistics.median(alone), statistics.median(whole)
    report(
        [
            ("RabbitMQ alone", first, "s", None),
            ("the whole system", all_, "s", None),
            ("whole system / RabbitMQ alone", all_ / first, "×", 1.3),
            ("down, the slowest of all rounds", max(stops), "s", 5),
            ("status, median", status, "s", 0.3),
            ("memory at rest", used, "MiB", 1.2 * 1024),
        ]
    )


if __name__ == "__main__":
    main()
