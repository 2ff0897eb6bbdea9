"""What the time of an answer tells of whether an account exists: signing in, and asking for a reset.

The rate limits would stop it, so they must be raised for this measurement: put RATE_LIMIT_LOGIN,
RATE_LIMIT_LOGIN_ADDRESS, RATE_LIMIT_LOGIN_ACCOUNT, RATE_LIMIT_RESET, RATE_LIMIT_RESET_EMAIL and
RATE_LIMIT_WRITE, each =100000/minute, into config/.env.
Known and unknown addresses take turns, on one connection.
"""

import asyncio
import statistics
import time
from typing import Any

import httpx2
from dotenv import dotenv_values

from system import ROOT, report, services

SIGN_INS = 40
RESETS = 200
MAX_GAP_MS = 5
UNKNOWN = "nobody@example.com"


async def medians(
    client: httpx2.AsyncClient, path: str, known: str, body: dict[str, Any], count: int
) -> tuple[float, float]:
    """Median milliseconds for a known and an unknown address."""
    times: dict[str, list[float]] = {known: [], UNKNOWN: []}
    for number in range(2 * count):
        email = known if number % 2 else UNKNOWN
        began = time.monotonic()
        answer = await client.post(path, json={"email": email, **body})
        times[email].append(1000 * (time.monotonic() - began))
        if answer.status_code == 429:
            raise SystemExit(__doc__)
    return statistics.median(times[known]), statistics.median(times[UNKNOWN])


async def measure() -> None:
    """Measure both routes."""
    known = dotenv_values(ROOT / "config" / ".env")["ADMIN_EMAIL"] or ""
    url = f"{services()['api']['url']}/api/v1/auth"
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        login = await medians(client, "/login", known, {"password": "wrong"}, SIGN_INS)
        reset = await medians(client, "/password-reset", known, {}, RESETS)
    report(
        [
            ("signing in, median of a known address", login[0], "ms", None),
            ("gap to an unknown one", abs(login[0] - login[1]), "ms", MAX_GAP_MS),
            ("asking for a reset, median of a known address", reset[0], "ms", None),
            ("gap to an unknown one", abs(reset[0] - reset[1]), "ms", MAX_GAP_MS),
        ]
    )


if __name__ == "__main__":
    asyncio.run(measure())
