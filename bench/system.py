"""The running system as the measurements see it."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent


def gp(*words: str) -> str:
    """Run `./gp` and return what it prints; ends the measurement if it fails."""
    environment = {"GROUNDPLAN_RUNTIME": "native", **os.environ}
    command = [str(ROOT / "gp"), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode:
        sys.exit(f"./gp {' '.join(words)} failed:\n{done.stderr}")
    return done.stdout


def services() -> dict[str, dict[str, Any]]:
    """The services of `./gp status --json` by name."""
    done = subprocess.run([ROOT / "gp", "status", "--json"], capture_output=True, text=True)
    status = json.loads(done.stdout)
    if not status["ready"]:
        sys.exit("The system is not ready. Start it: ./gp up --detach")
    return {service["name"]: service for service in status["services"]}


def supervisor() -> int:
    """The process that keeps the services running."""
    return int(json.loads(gp("status", "--json"))["supervisor"])


def signed_in() -> httpx2.Client:
    """A client of the API, signed in as the first user."""
    settings = dotenv_values(ROOT / "config" / ".env")
    client = httpx2.Client(base_url=f"{services()['api']['url']}/api/v1", timeout=30)
    credentials = {"email": settings["ADMIN_EMAIL"], "password": settings["ADMIN_PASSWORD"]}
    answer = client.post("/auth/login", json=credentials)
    answer.raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


def descendants(pid: int) -> Iterator[int]:
    """`pid` and all processes below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (task / "children").read_text().split()
        except OSError:  # ended meanwhile
            continue
        for child in children:
            yield from descendants(int(child))


def memory(pid: int) -> float:
    """Proportional memory of a process and all below it, in MiB (shared pages are counted once)."""
    total = 0
    for each in descendants(pid):
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:  # ended meanwhile
            continue
        total += next(
            int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
        )
    return total / 1024


def percentile(values: list[float], percent: float) -> float:
    """The value below which `percent` of `values` lie."""
    return statistics.quantiles(sorted(values), n=1000, method="inclusive")[round(percent * 10) - 1]


def report(rows: list[tuple[str, float, str, float | None]]) -> None:
    """Print rows of (what, value, unit, limit or None) and end with 1 if a limit is missed."""
    missed = False
    for what, value, unit, limit in rows:
        over = limit is not None and value > limit
        missed |= over
        bound = "" if limit is None else f"  (limit {limit:g} {unit}{', MISSED' if over else ''})"
        print(f"{what:<60} {value:10.2f} {unit}{bound}")
    sys.exit(int(missed))
