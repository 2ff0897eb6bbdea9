"""Sessions in Redis.

A session is a family of refresh tokens. It lives as long as its key does: an access token of a
session that Redis does not know is refused, so that nothing which loses keys can revive one.

- `{SESSION}:refresh`  hash of the only token that may still be used, and what the session is
- `sessions:USER`      ids of a user's sessions by their end, for lists; may hold ended ones

`principal:USER` remembers who a user is and what they may do. A change of the user puts a
short-lived tombstone there, which a fill that read the row before the change can't overwrite.
A change of a role sets a new `roles:generation`: principals of an older generation don't count.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis

from app.auth.repository import Account
from app.auth.tokens import REFRESH_TTL_S, RefreshToken
from app.cache import Cache, new_token

# What redis-py takes as a key or a value.
Field = bytes | bytearray | memoryview | str | int | float

PRINCIPAL_TTL_S = 60
# Longer than any statement may run, so that no fill from before the change is still under way.
TOMBSTONE_TTL_S = 15
TOMBSTONE = b"-"
MAX_USER_AGENT = 200
MAX_LISTED = 100

# KEYS: refresh. ARGV: presented digest, new digest, refresh TTL, time. The one place where a
# family changes after its start: whatever comes after its end finds no key, and makes none.
ROTATE = """
local family = redis.call('HMGET', KEYS[1], 'current', 'user', 'version')
if not family[1] then return {'unknown'} end
if family[1] ~= ARGV[1] then
  redis.call('DEL', KEYS[1])
  return {'reused', family[2]}
end
redis.call('HSET', KEYS[1], 'current', ARGV[2], 'used', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {'rotated', family[2], family[3]}
"""


# KEYS: principal. ARGV: value, tombstone, TTL.
REMEMBER = """
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
end
"""


class Principal(BaseModel):
    """A user as access decisions need them."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    email: str
    name: str
    role_id: UUID
    role: str
    permissions: frozenset[str]
    version: int
    is_active: bool
    second_factor: bool = False  # an earlier version may have remembered it without

    @classmethod
    def of(cls, account: Account) -> "Principal":
        """The principal of an account."""
        return cls.model_validate(account, from_attributes=True)


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from."""

    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its user sees it."""

    id: UUID
    version: int
    created_at: datetime
    last_used_at: datetime
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """Outcome of presenting a refresh token: `unknown`, `reused` or `rotated`."""

    outcome: str
    user_id: UUID | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What Redis knows of a session and its user."""

    is_alive: bool
    roles_generation: bytes
    principal: Principal | None


class SessionStore:
    """Everything about sessions that lives in Redis; raises CacheUnavailableError."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._roles_key = f"{cache.prefix}roles:generation"

    async def start(self, token: RefreshToken, user_id: UUID, version: int, caller: Caller) -> None:
        """Begin a family with its first refresh token, now or once Redis is back."""
        key = self._refresh_key(token.session_id)
        now = int(time.time())
        fields: dict[Field, Field] = {
            "current": token.digest,
            "user": str(user_id),
            "version": version,
            "created": now,
            "used": now,
            "address": caller.address,
            "agent": caller.user_agent[:MAX_USER_AGENT],
        }

        async def store(redis: Redis) -> None:
            async with redis.pipeline() as pipeline:
                pipeline.hset(key, mapping=fields)
                pipeline.expire(key, REFRESH_TTL_S)
                await pipeline.execute()

        await self._cache.run_surely(key, store)
        await self._cache.run_surely(
            f"{key}:listed", lambda redis: self._enlist(redis, user_id, token.session_id)
        )

    async def enlist(self, user_id: UUID, session_id: UUID) -> None:
        """Keep the session in the user's list as long as it lives; call it after a rotation."""
        await self._cache.run(lambda redis: self._enlist(redis, user_id, session_id))

    async def _enlist(self, redis: Redis, user_id: UUID, session_id: UUID) -> None:
        key, now = self._list_key(user_id), int(time.time())
        async with redis.pipeline() as pipeline:
            pipeline.zadd(key, {str(session_id): now + REFRESH_TTL_S})
            pipeline.zremrangebyscore(key, "-inf", now)
            pipeline.expire(key, REFRESH_TTL_S)
            await pipeline.execute()

    async def list(self, user_id: UUID) -> Sequence[Session]:
        """The living sessions of a user, last used first, up to MAX_LISTED."""
        ids = await self._cache.run(
            lambda redis: redis.zrange(self._list_key(user_id), 0, MAX_LISTED - 1, desc=True)
        )
        session_ids = [UUID(item.decode()) for item in ids if isinstance(item, bytes)]
        names = ["version", "created", "used", "address", "agent"]

        async def read(redis: Redis) -> list[list[bytes | None]]:
            async with redis.pipeline(transaction=False) as pipeline:
                for session_id in session_ids:
                    pipeline.hmget(self._refresh_key(session_id), names)
                answer: list[list[bytes | None]] = await pipeline.execute()
            return answer

        found = await self._cache.run(read) if session_ids else []
        sessions = map(_session, session_ids, found)
        return sorted(filter(None, sessions), key=lambda item: item.last_used_at, reverse=True)

    async def rotate(self, presented: RefreshToken, successor: RefreshToken) -> Rotation:
        """Replace a refresh token by its successor, atomically; using an old one ends all."""
        keys = [self._refresh_key(presented.session_id)]
        now = int(time.time())
        arguments: list[Field] = [presented.digest, successor.digest, REFRESH_TTL_S, now]

        async def rotate(redis: Redis) -> list[bytes]:
            answer: list[bytes] = await redis.register_script(ROTATE)(keys, arguments)
            return answer

        outcome, *rest = [part.decode() for part in await self._cache.run(rotate)]
        return Rotation(
            outcome,
            UUID(rest[0]) if rest else None,
            int(rest[1]) if outcome == "rotated" else None,
        )

    async def end(self, session_id: UUID) -> None:
        """End a session: all its tokens are refused from now on."""
        await self._cache.run(lambda redis: redis.delete(self._refresh_key(session_id)))

    async def owner(self, session_id: UUID) -> UUID | None:
        """The user whose session it is, while it lives."""
        user = await self._cache.run(
            lambda redis: redis.hget(self._refresh_key(session_id), "user")
        )
        return UUID(user.decode()) if isinstance(user, bytes) else None

    async def look_up(self, session_id: UUID, user_id: UUID) -> Remembered:
        """What Redis knows of a session and its user."""

        async def look_up(redis: Redis) -> list[bytes | None]:
            async with redis.pipeline(transaction=False) as pipeline:
                pipeline.hget(self._refresh_key(session_id), "user")
                pipeline.get(self._roles_key)
                pipeline.get(self._principal_key(user_id))
                answer: list[bytes | None] = await pipeline.execute()
            return answer

        owner, generation, stored = await self._cache.run(look_up)
        made_for, _, principal = (stored or b"").partition(b"\n")
        current = bool(principal) and made_for == (generation or b"")
        return Remembered(
            is_alive=owner == str(user_id).encode(),
            roles_generation=generation or b"",
            principal=Principal.model_validate_json(principal) if current else None,
        )

    async def remember(self, principal: Principal, roles_generation: bytes) -> None:
        """Keep a principal that was read after `roles_generation`, unless it changed meanwhile."""
        key = self._principal_key(principal.id)
        value = roles_generation + b"\n" + principal.model_dump_json().encode()
        await self._cache.run(
            lambda redis: redis.eval(REMEMBER, 1, key, value, TOMBSTONE, PRINCIPAL_TTL_S)
        )

    async def forget_roles(self) -> None:
        """Make every user's next request read PostgreSQL; call it after a role changed."""
        token = new_token()
        await self._cache.run_surely(
            self._roles_key, lambda redis: redis.set(self._roles_key, token)
        )

    async def forget(self, user_id: UUID) -> None:
        """Make the user's next request read PostgreSQL; call it after the commit of a change."""
        key = self._principal_key(user_id)
        await self._cache.run_surely(
            key, lambda redis: redis.set(key, TOMBSTONE, ex=TOMBSTONE_TTL_S)
        )

    def _refresh_key(self, session_id: UUID) -> str:
        return f"{self._cache.prefix}{{{session_id}}}:refresh"

    def _list_key(self, user_id: UUID) -> str:
        return f"{self._cache.prefix}sessions:{user_id}"

    def _principal_key(self, user_id: UUID) -> str:
        return f"{self._cache.prefix}principal:{user_id}"


def _session(session_id: UUID, fields: Sequence[bytes | None]) -> Session | None:
    """A session from what is stored of it; None once it ended, or where it is of before lists."""
    version, created, used, address, agent = [(item or b"").decode() for item in fields]
    if not version or not created:
        return None
    times = [datetime.fromtimestamp(int(moment), UTC) for moment in (created, used)]
    return Session(session_id, int(version), times[0], times[1], address, agent)
