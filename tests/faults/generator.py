"""A seeded load: what several users ask of the API, whatever becomes of it, written into the history.

Each user has random numbers of their own, so that the seed alone decides what is asked in which
order; only how the users' requests interleave is left to chance.
"""

import asyncio
import random
import uuid
from typing import Any

import httpx2

from history import History
from replica import Replica
from stack import User

# Of every hundred requests of a user.
WEIGHTS = {"export": 55, "repeat": 8, "jobs": 12, "users": 12, "cancel": 5, "retry": 2, "role": 6}
RETRY_S = 0.3
PATIENCE_S = 20.0


class Client:
    """Asks any of the APIs on behalf of a user, and writes down what it asked and was told."""

    def __init__(self, apis: list[Replica], history: History) -> None:
        self._history = history
        self._urls = [api.url for api in apis]
        self._http = httpx2.AsyncClient(timeout=PATIENCE_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self,
        name: str,
        method: str,
        path: str,
        token: str = "",
        *,
        api: int = 0,
        body: Any = None,
        headers: dict[str, str] | None = None,
        note: dict[str, Any] | None = None,
    ) -> httpx2.Response | None:
        """The answer of one of the APIs; None where the connection broke."""
        own = {"Authorization": f"Bearer {token}"} if token else {}
        call = self._history.call(name, **(note or {}))
        url = f"{self._urls[api % len(self._urls)]}/api/v1{path}"
        try:
            answer = await self._http.request(
                method, url, json=body, headers={**own, **(headers or {})}
            )
        except httpx2.TransportError as error:
            self._history.answer(call, None, error=type(error).__name__)
            return None
        self._history.answer(call, answer.status_code, **_told(name, answer))
        return answer


def _told(name: str, answer: httpx2.Response) -> dict[str, Any]:
    """What of an answer the checker needs."""
    if answer.status_code >= 400:
        code = answer.json().get("code") if "json" in answer.headers["content-type"] else None
        return {"code": code, "retry_after": answer.headers.get("retry-after")}
    return {"job": answer.json()["id"]} if name == "export" else {}


async def sign_in(client: Client, user: User, password: str) -> str:
    """Give the user a token; returns the one that refreshes it."""
    body = {"email": user.email, "password": password}
    answer = None
    while answer is None:  # passwords take long on a busy machine
        answer = await client.ask("login", "POST", "/auth/login", body=body)
    assert answer.status_code == 200, answer.text
    user.token = answer.json()["access_token"]
    return str(answer.json()["refresh_token"])


class Generator:
    """Lets `users` ask, until they have asked for `jobs` exports in all."""

    def __init__(self, client: Client, users: list[User], seed: str, pause: float = 0.0) -> None:
        self._client = client
        self._users = users
        self._seed = seed
        self._pause = pause
        self._stopped = False

    def stop(self) -> None:
        """Ask nothing more."""
        self._stopped = True

    async def run(self, jobs: int) -> None:
        """Ask until the exports are acknowledged."""
        share = -(-jobs // len(self._users))
        async with asyncio.TaskGroup() as group:
            for number, user in enumerate(self._users):
                chance = random.Random(f"{self._seed}/{number}")  # noqa: S311 - replayed from the seed
                group.create_task(self._be(user, share, chance))

    async def _be(self, user: User, jobs: int, chance: random.Random) -> None:
        done = 0
        while done < jobs and not self._stopped:
            what = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            done += await self._do(what, user, chance)
            await asyncio.sleep(self._pause * chance.uniform(0.5, 1.5))

    async def _do(self, what: str, user: User, chance: random.Random) -> int:
        """Do one thing; returns how many exports it made."""
        ask, api = self._client.ask, chance.randrange(1000)
        job = user.jobs[chance.randrange(len(user.jobs))] if user.jobs else None
        if what in ("export", "repeat"):
            times = 3 if what == "repeat" else 1
            return await self._export(user, f"{chance.getrandbits(64):x}", api, times)
        if what == "role":
            name = f"r{chance.getrandbits(64):x}"
            body = {"name": name, "permissions": []}
            await ask("role", "POST", "/roles", user.token, api=api, body=body, note={"role": name})
        elif what in ("cancel", "retry"):
            if job:
                path = f"/jobs/{job}/{what}"
                await ask(what, "POST", path, user.token, api=api, note={"job": job})
        else:
            await ask(what, "GET", f"/{what}?limit=5", user.token, api=api)
        return 0

    async def _export(self, user: User, key: str, api: int, times: int) -> int:
        """Ask `times` at once with one key, and again until one is acknowledged, as a careful client does."""
        while not self._stopped:
            answers = await asyncio.gather(
                *(export(self._client, user, key, api + number) for number in range(times))
            )
            if any(answers):
                return 1
            await asyncio.sleep(RETRY_S)
        return 0


async def export(client: Client, user: User, key: str = "", api: int = 0) -> str | None:
    """Ask for an export; the id of its job, if it was acknowledged."""
    key = key or uuid.uuid4().hex
    answer = await client.ask(
        "export",
        "POST",
        "/export",
        user.token,
        api=api,
        body={"type": "users", "format": "csv"},
        headers={"Idempotency-Key": key},
        note={"user": user.id, "key": key},
    )
    if answer is None or answer.status_code != 202:
        return None
    job = str(answer.json()["id"])
    if job not in user.jobs:
        user.jobs.append(job)
    return job
