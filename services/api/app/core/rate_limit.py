"""Rate limits, counted in Redis, or in this process while Redis is away: never not at all."""

import math
import time
from http import HTTPStatus

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from app.cache import Cache, CacheUnavailableError
from app.core.errors import ApiError


class RateLimiter:
    """Moving windows: a limit of 10/minute holds over any 60 seconds."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._local = MovingWindowRateLimiter(MemoryStorage())
        storage = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix=f"{cache.prefix}limit"
        )
        # Our client in place of its own, so that connections are shared and calls recorded.
        storage.bridge.storage = cache.redis  # type: ignore[attr-defined] # of this implementation
        storage.bridge.register_scripts()
        self._shared = MovingWindowRateLimiter(storage)

    async def hit(self, limit: str, name: str, *identifiers: str) -> None:
        """Count one request; raises a 429 ApiError once `identifiers` exceed `limit`."""
        item = parse(limit)
        try:
            await self._cache.run(lambda _: self._hit(self._shared, item, name, *identifiers))
        except CacheUnavailableError:
            await self._hit(self._local, item, name, *identifiers)

    @staticmethod
    async def _hit(
        limiter: MovingWindowRateLimiter, item: RateLimitItem, name: str, *identifiers: str
    ) -> None:
        if await limiter.hit(item, name, *identifiers):
            return
        stats = await limiter.get_window_stats(item, name, *identifiers)
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        raise ApiError(
            f"Too many requests. Try again in {wait} s.",
            "rate_limited",
            HTTPStatus.TOO_MANY_REQUESTS,
            headers={
                "Retry-After": str(wait),
                "RateLimit": f'"{name}";r={stats.remaining};t={wait}',
                "RateLimit-Policy": f'"{name}";q={item.amount};w={item.get_expiry()}',
            },
        )
