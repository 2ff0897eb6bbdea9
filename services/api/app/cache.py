"""Redis, which may be away at any time: callers get CacheUnavailableError at once, not a hang."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.settings import Settings, split_address
from app.telemetry.metrics import WITHOUT_REDIS
from app.telemetry.redis import TracedRedis

T = TypeVar("T")
Operation = Callable[["Redis"], Awaitable[T]]

TIMEOUT_S = 1.0
# After a failure Redis is left alone this long, so that an outage costs no request its timeout.
REST_S = 1.0
REPAIR_S = 0.5
# Few, so that a burst of requests after a start doesn't open as many connections at once. Whoever
# waits for one waits for this process, which says nothing of Redis: no timeout runs meanwhile.
MAX_CONNECTIONS = 16

log = structlog.get_logger()


class CacheUnavailableError(Exception):
    """Redis does not answer."""


class Cache:
    """A Redis client behind a circuit breaker."""

    def __init__(self, settings: Settings) -> None:
        host, port = split_address(settings.redis_address)
        self.prefix = settings.redis_prefix
        self.pool = ConnectionPool(
            host=host,
            port=port,
            username=settings.redis_user,
            password=settings.redis_password.get_secret_value(),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # one more try: an idle connection may have been closed
        )
        self.redis: Redis = TracedRedis(self.pool, host, port)
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)
        self._rest_until = 0.0
        self._repairs: dict[str, Operation[Any]] = {}

    async def run(self, operation: Operation[T]) -> T:
        """Do `operation` with the client; raises CacheUnavailableError when Redis is away."""
        if self._repairs:
            await self._repair()
        return await self._attempt(operation)

    async def _attempt(self, operation: Operation[T]) -> T:
        async with self._turns:
            if time.monotonic() < self._rest_until:
                WITHOUT_REDIS.inc()
                raise CacheUnavailableError
            try:
                return await operation(self.redis)
            except (RedisError, OSError, TimeoutError) as error:
                self._rest_until = time.monotonic() + REST_S
                WITHOUT_REDIS.inc()
                log.warning("cache.unavailable", error=str(error) or type(error).__name__)
                raise CacheUnavailableError from error

    async def run_surely(self, name: str, operation: Operation[Any]) -> None:
        """Do an idempotent `operation` now, or else before anything else once Redis is back.

        An invalidation must not be lost: Redis may return with what it held before.
        """
        try:
            await self.run(operation)
        except CacheUnavailableError:
            self._repairs[name] = operation

    async def keep_repairing(self) -> None:
        """Catch up with what `run_surely` could not do yet; runs until cancelled."""
        while True:
            await asyncio.sleep(REPAIR_S)
            if self._repairs:
                with suppress(CacheUnavailableError):
                    await self.ping()

    async def _repair(self) -> None:
        for name, operation in list(self._repairs.items()):
            await self._attempt(operation)
            if self._repairs.get(name) is operation:
                del self._repairs[name]

    async def ping(self) -> None:
        """Raise CacheUnavailableError unless Redis answers."""
        await self.run(lambda redis: redis.ping())

    async def close(self) -> None:
        """Close every connection."""
        await self.pool.disconnect()


def new_token() -> str:
    """A value that no other call returns."""
    return secrets.token_hex(8)
