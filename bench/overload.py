"""More than the API can do: three times its capacity for a minute (600 seconds: overload.py 600).

First as many clients as fit find out its capacity; then requests come at three times that rate,
whether or not the earlier ones are answered. The limits on one user would stop them, so they must
be raised for this measurement: put RATE_LIMIT_DEFAULT=900000/minute into config/.env.
"""

import asyncio
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from system import percentile, report, services, signed_in

CLIENTS = 20
CALIBRATION_S = 10.0
FACTOR = 3
MAX_CONNECTIONS = 2000
TICK_S = 0.01
PATIENCE_S = 60.0
SHED = (429, 503)


@dataclass
class Load:
    """Requests on plain connections: a full client costs more than the server."""

    url: str
    token: str
    statuses: Counter[int] = field(default_factory=Counter)
    accepted_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    resent: int = 0
    """Requests on a connection that had rested and was closed by then."""
    _free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self) -> int:
        """Ask for a list that no cache holds; gives the status, or 0 if there was none."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_S):
                status = await self._exchange()
        except (OSError, EOFError, TimeoutError) as error:
            self.errors[type(error).__name__] += 1
            return 0
        self.statuses[status] += 1
        if status == 200:
            self.accepted_ms.append(1000 * (time.monotonic() - began))
        return status

    async def _exchange(self) -> int:
        while self._free:
            reader, writer = self._free.pop()
            if reader.at_eof():  # the server closes connections that rest
                writer.close()
                continue
            try:
                return await self._send(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionResetError) as error:
                # It may do so just as we use one: every client sends such a request again.
                if getattr(error, "partial", b""):
                    raise
                self.resent += 1
        place = urlsplit(self.url)
        return await self._send(*await asyncio.open_connection(place.hostname, place.port))

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(
            f"GET /api/v1/users?limit=5&q={secrets.token_hex(4)} HTTP/1.1\r\n"
            f"Host: {urlsplit(self.url).netloc}\r\n"
            f"Authorization: Bearer {self.token}\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
        if "connection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(head.split()[1])


async def capacity(load: Load) -> float:
    """Answers a second to clients that wait for each."""
    until = time.monotonic() + CALIBRATION_S

    async def client() -> None:
        while time.monotonic() < until:
            await load.ask()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    if load.statuses[429]:
        raise SystemExit(__doc__)
    return load.statuses[200] / CALIBRATION_S


async def flood(load: Load, rate: float, seconds: float) -> float:
    """Ask `rate` times a second without waiting; gives the rate that was reached."""
    began, sent = time.monotonic(), 0
    asking: set[asyncio.Task[int]] = set()
    while (elapsed := time.monotonic() - began) < seconds:
        while sent < elapsed * rate and len(asking) < MAX_CONNECTIONS:
            task = asyncio.create_task(load.ask())
            asking.add(task)
            task.add_done_callback(asking.discard)
            sent += 1
        await asyncio.sleep(TICK_S)
    elapsed = time.monotonic() - began
    await asyncio.gather(*asking)
    return sent / elapsed


async def recovery(load: Load) -> float:
    """Seconds until 20 requests in a row are accepted."""
    began, row = time.monotonic(), 0
    while row < 20 and time.monotonic() - began < 2 * PATIENCE_S:
        row = row + 1 if await load.ask() == 200 else 0
    return time.monotonic() - began


async def measure(url: str, token: str, seconds: float) -> None:
    """Find the capacity, exceed it, and see how soon all is well again."""
    usual = Load(url, token)
    able = await capacity(usual)
    load = Load(url, token)
    offered = await flood(load, FACTOR * able, seconds)
    recovered = await recovery(Load(url, token))
    shed = sum(load.statuses[status] for status in SHED)
    wrong = load.statuses.total() - load.statuses[200] - shed + load.errors.total()
    print(dict(load.statuses), dict(load.errors))
    report(
        [
            ("capacity", able, "/s", None),
            ("answer at capacity, p99", percentile(usual.accepted_ms, 99), "ms", None),
            ("offered", offered, "/s", None),
            ("accepted", load.statuses[200] / seconds, "/s", None),
            ("refused with 429 or 503", shed / seconds, "/s", None),
            ("wrong: other answers, or none", wrong, "", 0),
            ("sent again, as a resting connection was closed", load.resent, "", None),
            ("accepted answer, p99", percentile(load.accepted_ms, 99), "ms", 5000),
            ("recovery", recovered, "s", 60),
        ]
    )


if __name__ == "__main__":
    authorization = signed_in().headers["Authorization"]
    asyncio.run(
        measure(
            services()["api"]["url"],
            authorization.removeprefix("Bearer "),
            float(sys.argv[1]) if len(sys.argv) > 1 else 60.0,
        )
    )
