"""Whether signing in blocks others: /healthz while 16 clients sign in as fast as they can.

The limits on signing in would stop the storm, so they must be raised for this measurement: put
RATE_LIMIT_LOGIN=100000/minute and RATE_LIMIT_LOGIN_ADDRESS=100000/minute into config/.env.
"""

import asyncio
import time

import httpx2
from dotenv import dotenv_values

from system import ROOT, percentile, report, services

CLIENTS = 16
SECONDS = 20.0


async def storm(url: str, until: float, statuses: list[int]) -> None:
    """Sign in over and over."""
    settings = dotenv_values(ROOT / "config" / ".env")
    credentials = {"email": settings["ADMIN_EMAIL"], "password": settings["ADMIN_PASSWORD"]}
    async with httpx2.AsyncClient(timeout=60) as client:
        while time.monotonic() < until:
            statuses.append(
                (await client.post(f"{url}/api/v1/auth/login", json=credentials)).status_code
            )


async def ping(url: str, until: float, times: list[float]) -> None:
    """Ask /healthz every 20 ms."""
    async with httpx2.AsyncClient(timeout=60) as client:
        while time.monotonic() < until:
            began = time.monotonic()
            await client.get(f"{url}/healthz")
            times.append(1000 * (time.monotonic() - began))
            await asyncio.sleep(0.02)


async def measure() -> None:
    """Run the storm and the pings together."""
    url = services()["api"]["url"]
    until = time.monotonic() + SECONDS
    statuses: list[int] = []
    times: list[float] = []
    await asyncio.gather(
        ping(url, until, times), *(storm(url, until, statuses) for _ in range(CLIENTS))
    )
    if 429 in statuses:
        raise SystemExit(__doc__)
    report(
        [
            ("sign-ins a second", statuses.count(200) / SECONDS, "/s", None),
            ("/healthz, median", percentile(times, 50), "ms", None),
            ("/healthz, p99", percentile(times, 99), "ms", 50),
        ]
    )


if __name__ == "__main__":
    asyncio.run(measure())
