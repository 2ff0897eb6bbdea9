"""From the worker's commit of "succeeded" to the event at the client, on small exports.

The commit's time is PostgreSQL's own (`finished_at`), on the same machine's clock.
"""

import json
import threading
import time
from datetime import datetime

from system import percentile, report, services, signed_in

JOBS = 30


def main() -> None:
    """Listen to the events, start exports one after another and compare the times."""
    client = signed_in()
    delays: list[float] = []
    finished = threading.Event()
    listening = threading.Event()
    token = client.headers["Authorization"]

    def listen() -> None:
        import httpx2

        url = f"{services()['frontend']['url']}/api/v1/events"
        with httpx2.stream("GET", url, headers={"Authorization": token}, timeout=60) as stream:
            name = ""
            for line in stream.iter_lines():
                now = time.time()
                if line.startswith("event:"):
                    name = line[6:].strip()
                    listening.set()
                elif line.startswith("data:") and name == "job":
                    job = json.loads(line[5:])
                    if job["status"] == "succeeded":
                        delays.append(
                            1000 * (now - datetime.fromisoformat(job["finished_at"]).timestamp())
                        )
                        finished.set()

    threading.Thread(target=listen, daemon=True).start()
    if not listening.wait(10):
        raise SystemExit("The event stream did not open.")
    for _ in range(JOBS):
        finished.clear()
        client.post(
            "/export", json={"type": "users", "format": "csv", "compression": "none"}
        ).raise_for_status()
        if not finished.wait(60):
            raise SystemExit("An export did not finish within 60 s.")
    report(
        [
            ("from commit to event, median", percentile(delays, 50), "ms", None),
            ("from commit to event, p95", percentile(delays, 95), "ms", 100),
            ("from commit to event, the slowest", max(delays), "ms", None),
        ]
    )


if __name__ == "__main__":
    main()
