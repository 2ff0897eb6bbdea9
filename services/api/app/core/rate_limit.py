"""Rate limits, counted in Redis, or in this process while Redis is away: never not at all."""

import math
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address

from redis.commands.core import AsyncScript

from app.cache import Cache, CacheUnavailableError
from app.core.context import quotas_var
from app.core.errors import ApiError
from app.core.rate import Rate, parse_rate

# A window is the list of the times at which its requests were let through, the newest first. One
# script counts, decides and says what is left, by the clock of Redis: processes need not agree.
SCRIPT = """
local amount, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function oldest() return tonumber(redis.call('LINDEX', KEYS[1], -1) or now) end
while oldest() <= now - window do redis.call('RPOP', KEYS[1]) end
local count = redis.call('LLEN', KEYS[1])
local allowed = count < amount
if allowed then
    count = redis.call('LPUSH', KEYS[1], string.format('%d', now))
    redis.call('EXPIRE', KEYS[1], math.ceil(window / 1000))
end
return {allowed and 1 or 0, math.max(0, amount - count), oldest() + window - now}
"""
# Windows of this process, while Redis is away: beyond so many the oldest is forgotten.
MAX_LOCAL_WINDOWS = 100_000
IPV6_NETWORK = 64
MS = 1000


@dataclass(frozen=True, slots=True)
class Quota:
    """What a limit leaves a caller: `remaining` requests until `reset_s` gives more."""

    name: str
    rate: Rate
    allowed: bool
    remaining: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers has it."""
        return {
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.reset_s}',
            "RateLimit-Policy": f'"{self.name}";q={self.rate.amount};w={self.rate.seconds}',
        }


class RateLimiter:
    """Moving windows: a limit of 10/minute holds over any 60 seconds."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._local = _LocalWindows()
        self._script = AsyncScript(cache.redis, SCRIPT)

    async def hit(self, limit: str, name: str, *identifiers: str) -> None:
        """Count one request; raises a 429 ApiError once `identifiers` exceed `limit`."""
        rate, key = parse_rate(limit), ":".join((name, *identifiers))
        try:
            allowed, remaining, reset_ms = await self._cache.run(lambda _: self._shared(rate, key))
        except CacheUnavailableError:
            allowed, remaining, reset_ms = self._local.hit(rate, key)
        quota = Quota(name, rate, bool(allowed), remaining, max(1, math.ceil(reset_ms / MS)))
        quotas_var.set((*quotas_var.get(), quota))
        if not allowed:
            raise ApiError(
                f"Too many requests. Try again in {quota.reset_s} s.",
                "rate_limited",
                HTTPStatus.TOO_MANY_REQUESTS,
                headers={"Retry-After": str(quota.reset_s)},
            )

    async def _shared(self, rate: Rate, key: str) -> tuple[int, int, float]:
        keys, arguments = [f"{self._cache.prefix}limit:{key}"], [rate.amount, rate.seconds * MS]
        allowed, remaining, reset_ms = await self._script(keys, arguments)
        return allowed, remaining, reset_ms


class _LocalWindows:
    """The same windows in this process."""

    def __init__(self) -> None:
        self._windows: dict[str, deque[float]] = {}

    def hit(self, rate: Rate, key: str) -> tuple[int, int, float]:
        now = time.monotonic()
        times = self._windows.get(key)
        if times is None:
            times = self._windows[key] = deque()
            if len(self._windows) > MAX_LOCAL_WINDOWS:
                del self._windows[next(iter(self._windows))]
        while times and times[0] <= now - rate.seconds:
            times.popleft()
        allowed = len(times) < rate.amount
        if allowed:
            times.append(now)
        return allowed, rate.amount - len(times), (times[0] + rate.seconds - now) * MS


def network_of(address: str) -> str:
    """Whom an address stands for: of IPv6 its /64, of which one subscriber has all."""
    try:
        ip = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(IPv6Address(int(ip) >> IPV6_NETWORK << IPV6_NETWORK))
