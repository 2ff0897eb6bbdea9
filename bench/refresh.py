"""Whether of concurrent refreshes of one token exactly one wins, and the family is dead then.

The rate limits would stop it, so they must be raised for this measurement: put
RATE_LIMIT_LOGIN=100000/minute, RATE_LIMIT_LOGIN_ADDRESS=100000/minute, RATE_LIMIT_WRITE=100000/minute and
RATE_LIMIT_DEFAULT=100000/minute into config/.env. Every race needs a sign-in, which costs bcrypt's time.
"""

import asyncio
import sys
import time

import httpx2
from dotenv import dotenv_values

from system import ROOT, percentile, report, services

RACES = 500
AT_ONCE = 20


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    """Trade a refresh token."""
    return await client.post("/auth/refresh", json={"refresh_token": token})


async def sign_in(client: httpx2.AsyncClient) -> dict[str, str]:
    """The tokens of a new session of the first user."""
    settings = dotenv_values(ROOT / "config" / ".env")
    credentials = {"email": settings["ADMIN_EMAIL"], "password": settings["ADMIN_PASSWORD"]}
    answer = await client.post("/auth/login", json=credentials)
    if answer.status_code == 429:
        raise SystemExit(__doc__)
    answer.raise_for_status()
    tokens: dict[str, str] = answer.json()
    return tokens


async def race(client: httpx2.AsyncClient, url: str) -> tuple[int, int, float]:
    """How many won, how many tokens of the family still work then, and the milliseconds it took."""
    tokens = await sign_in(client)
    began = time.monotonic()
    answers = await asyncio.gather(
        *(refresh(client, tokens["refresh_token"]) for _ in range(AT_ONCE))
    )
    took = 1000 * (time.monotonic() - began)
    winners = [answer.json() for answer in answers if answer.status_code == 200]
    # Read in a new connection, after the last answer.
    async with httpx2.AsyncClient(base_url=url, timeout=60) as fresh:
        access = [item["access_token"] for item in (tokens, *winners)]
        headers = [{"Authorization": f"Bearer {token}"} for token in access]
        statuses = [(await fresh.get("/auth/me", headers=item)).status_code for item in headers]
        statuses += [(await refresh(fresh, item["refresh_token"])).status_code for item in winners]
    return len(winners), statuses.count(200), took


async def measure(races: int) -> None:
    """Run the races one after the other."""
    url = f"{services()['api']['url']}/api/v1"
    limits = httpx2.Limits(max_connections=AT_ONCE)
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        outcomes = [await race(client, url) for _ in range(races)]
    print(f"{races} races of {AT_ONCE} refreshes at once")
    report(
        [
            ("races without exactly one winner", sum(won != 1 for won, _, _ in outcomes), "", 0),
            ("tokens that worked afterwards", sum(alive for _, alive, _ in outcomes), "", 0),
            ("a race, median", percentile([took for _, _, took in outcomes], 50), "ms", None),
        ]
    )


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else RACES))
