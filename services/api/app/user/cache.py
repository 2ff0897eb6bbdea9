"""Pages of the user list, kept in Redis as ready-made response bytes.

Each page is stored together with the generation that was current before PostgreSQL was asked; a
write changes the generation after its commit. A page of an older generation is a miss, so that
nobody reads stale data once the response of a write has left, even if a fill was under way.
All keys share a hash tag: the generation and the page come with one MGET, on Redis Cluster too.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any

from app.cache import Cache, CacheUnavailableError, Operation, new_token
from app.user.schemas import UserQuery

TTL_S = 60
LOCK_TTL_MS = 2000
POLL_S = 0.02
Load = Callable[[], Awaitable[bytes]]

# KEYS: lock. ARGV: its token. Deletes the lock only while it is still ours.
UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class CacheStatus(StrEnum):
    """Values of the header Cache-Status (RFC 9211)."""

    HIT = "groundplan; hit"
    MISS = "groundplan; fwd=miss"
    BYPASS = "groundplan; fwd=bypass"


class UserListCache:
    """Cache-aside; of many who miss at once, one asks PostgreSQL."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._tag = f"{cache.prefix}{{users}}"
        self._generation_key = f"{self._tag}:generation"
        self._fills: dict[tuple[str, bytes], asyncio.Task[bytes]] = {}

    async def get(self, query: UserQuery, load: Load) -> tuple[bytes, CacheStatus]:
        """The page for `query`, from Redis or else from `load`."""
        key = self._page_key(query)
        try:
            generation, page = await self._look_up(key)
        except CacheUnavailableError:
            return await load(), CacheStatus.BYPASS
        if page is not None:
            return page, CacheStatus.HIT
        return await self._fill_once(key, generation, load), CacheStatus.MISS

    async def invalidate(self) -> None:
        """Make every stored page a miss; call it after the commit of a write."""
        token = new_token()
        await self._cache.run_surely(
            self._generation_key, lambda redis: redis.set(self._generation_key, token)
        )

    async def _look_up(self, key: str) -> tuple[bytes, bytes | None]:
        """The current generation, and the page if it is of that generation."""
        found = await self._cache.run(lambda redis: redis.mget(self._generation_key, key))
        generation, stored = (value if isinstance(value, bytes) else b"" for value in found)
        made_for, _, page = stored.partition(b"\n")
        return generation, page if page and made_for == generation else None

    async def _fill_once(self, key: str, generation: bytes, load: Load) -> bytes:
        # Joins only fills of the same generation: an older one may have read before the write.
        flight = (key, generation)
        task = self._fills.get(flight)
        if task is None:
            task = asyncio.create_task(self._fill(key, generation, load))
            self._fills[flight] = task
            task.add_done_callback(lambda done: self._end(flight, done))
        # A client that goes away must not take the fill from the others.
        return await asyncio.shield(task)

    def _end(self, flight: tuple[str, bytes], task: asyncio.Task[bytes]) -> None:
        del self._fills[flight]
        if not task.cancelled():
            task.exception()  # seen, even if every client went away

    async def _fill(self, key: str, generation: bytes, load: Load) -> bytes:
        lock, token = f"{key}:{generation.decode()}:lock", new_token()
        try:
            leads = await self._cache.run(
                lambda redis: redis.set(lock, token, nx=True, px=LOCK_TTL_MS)
            )
            if not leads and (page := await self._wait_for_other(key, generation)) is not None:
                return page
        except CacheUnavailableError:
            leads = False
        if not leads:
            return await load()
        try:
            page = await load()
            await self._try(lambda redis: redis.set(key, generation + b"\n" + page, ex=TTL_S))
        finally:
            await self._try(lambda redis: redis.eval(UNLOCK, 1, lock, token))
        return page

    async def _try(self, operation: Operation[Any]) -> None:
        with suppress(CacheUnavailableError):
            await self._cache.run(operation)

    async def _wait_for_other(self, key: str, generation: bytes) -> bytes | None:
        """The page that another process is reading, unless it takes too long or a write comes."""
        deadline = asyncio.get_running_loop().time() + LOCK_TTL_MS / 1000
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(POLL_S)
            current, page = await self._look_up(key)
            if page is not None or current != generation:
                return page
        return None

    def _page_key(self, query: UserQuery) -> str:
        """The same for all queries that mean the same page."""
        normalised = query.model_dump_json(exclude_defaults=True).encode()
        return f"{self._tag}:page:{hashlib.sha256(normalised).hexdigest()[:32]}"
