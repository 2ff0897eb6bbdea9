"""Requests of several users at once, over connections that are kept, and what became of them."""

import asyncio
import itertools
import ssl
import threading
import uuid
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx2

from engine import DOMAIN, direct

_CONNECTIONS_OF_A_USER = 2
_PAUSE = 0.25  # seconds between two requests of a connection: below the limit of a user


class _ToLoadBalancer(httpx2.AsyncHTTPTransport):
    def __init__(self, port: int, verify: ssl.SSLContext) -> None:
        super().__init__(verify=verify)
        self._port = port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        direct(request, self._port)
        return await super().handle_async_request(request)


@dataclass
class Load:
    """`with load:` makes requests in a thread of its own until the block ends; then look at the fields."""

    port: int
    tls: ssl.SSLContext
    tokens: list[str]
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    """Names of roles whose making was answered with 201."""

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def failed(self) -> float:
        """The share of requests that failed, 0 to 1."""
        return len(self.failures) / max(self.requests, 1)

    async def _run(self) -> None:
        users = [token for token in self.tokens for _ in range(_CONNECTIONS_OF_A_USER)]
        await asyncio.gather(*map(self._use, users))

    async def _use(self, token: str) -> None:
        async with httpx2.AsyncClient(
            base_url=f"https://{DOMAIN}/api/v1",
            transport=_ToLoadBalancer(self.port, self.tls),
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ) as client:
            for number in itertools.count():
                if self._ended.is_set():
                    return
                await self._request(client, is_write=number % 4 == 0)
                await asyncio.sleep(_PAUSE)

    async def _request(self, client: httpx2.AsyncClient, is_write: bool) -> None:
        name = f"load-{uuid.uuid4().hex}"
        body = {"name": name, "description": "", "permissions": []}
        request = (
            client.build_request("POST", "/roles", json=body)
            if is_write
            else client.build_request("GET", "/users")
        )
        said = f"{request.method} {request.url.path}"
        self.requests += 1
        try:
            answer = await client.send(request)
        except httpx2.TransportError as error:
            self.failures.append(f"{said}: {error!r}")
            return
        if answer.status_code >= 400:
            self.failures.append(f"{said}: {answer.status_code} {answer.text[:200]}")
        elif is_write:
            self.acknowledged.add(name)
