"""Sessions in Redis.

A session is a family of refresh tokens. Its keys share the hash tag `{SESSION}`, so that one Lua
script may use them together on Redis Cluster:

- `{SESSION}:refresh`  hash of the only token that may still be used, with its user and version
- `{SESSION}:revoked`  exists once the session was ended, as long as an access token might live

`principal:USER` remembers who a user is and what they may do. A change of the user puts a
short-lived tombstone there, which a fill that read the row before the change can't overwrite.
A change of a role sets a new `roles:generation`: principals of an older generation don't count.
"""

from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis

from app.auth.repository import Account
from app.auth.tokens import ACCESS_TTL_S, REFRESH_TTL_S, RefreshToken
from app.cache import Cache, new_token

# What redis-py takes as a key or a value.
Field = bytes | bytearray | memoryview | str | int | float

PRINCIPAL_TTL_S = 60
# Longer than any statement may run, so that no fill from before the change is still under way.
TOMBSTONE_TTL_S = 15
TOMBSTONE = b"-"

# KEYS: refresh, revoked. ARGV: presented digest, new digest, refresh TTL, revoked TTL.
ROTATE = """
local family = redis.call('HMGET', KEYS[1], 'current', 'user', 'version')
if not family[1] then return {'unknown'} end
if family[1] ~= ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], '1', 'EX', ARGV[4])
  return {'reused', family[2]}
end
redis.call('HSET', KEYS[1], 'current', ARGV[2])
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

    @classmethod
    def of(cls, account: Account) -> "Principal":
        """The principal of an account."""
        return cls.model_validate(account, from_attributes=True)


@dataclass(frozen=True, slots=True)
class Rotation:
    """Outcome of presenting a refresh token: `unknown`, `reused` or `rotated`."""

    outcome: str
    user_id: UUID | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What Redis knows of a session and its user."""

    revoked: bool
    roles_generation: bytes
    principal: Principal | None


class SessionStore:
    """Everything about sessions that lives in Redis; raises CacheUnavailableError."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._roles_key = f"{cache.prefix}roles:generation"

    async def start(self, token: RefreshToken, user_id: UUID, version: int) -> None:
        """Begin a family with its first refresh token."""
        key = self._refresh_key(token.session_id)
        fields: dict[Field, Field] = {
            "current": token.digest,
            "user": str(user_id),
            "version": version,
        }

        async def store(redis: Redis) -> None:
            async with redis.pipeline() as pipeline:
                pipeline.hset(key, mapping=fields)
                pipeline.expire(key, REFRESH_TTL_S)
                await pipeline.execute()

        await self._cache.run(store)

    async def rotate(self, presented: RefreshToken, successor: RefreshToken) -> Rotation:
        """Replace a refresh token by its successor, atomically; using an old one ends all."""
        keys = [self._refresh_key(presented.session_id), self._revoked_key(presented.session_id)]
        arguments: list[Field] = [presented.digest, successor.digest, REFRESH_TTL_S, ACCESS_TTL_S]

        async def rotate(redis: Redis) -> list[bytes]:
            answer: list[bytes] = await redis.register_script(ROTATE)(keys, arguments)
            return answer

        outcome, *rest = [part.decode() for part in await self._cache.run(rotate)]
        return Rotation(
            outcome,
            UUID(rest[0]) if rest else None,
            int(rest[1]) if outcome == "rotated" else None,
        )

    async def revoke(self, session_id: UUID) -> None:
        """End a session: its refresh token is gone, its access tokens are refused."""

        async def revoke(redis: Redis) -> None:
            async with redis.pipeline() as pipeline:
                pipeline.delete(self._refresh_key(session_id))
                pipeline.set(self._revoked_key(session_id), 1, ex=ACCESS_TTL_S)
                await pipeline.execute()

        await self._cache.run(revoke)

    async def owner(self, session_id: UUID) -> UUID | None:
        """The user whose session it is, while it can be refreshed."""
        user = await self._cache.run(
            lambda redis: redis.hget(self._refresh_key(session_id), "user")
        )
        return UUID(user.decode()) if isinstance(user, bytes) else None

    async def look_up(self, session_id: UUID, user_id: UUID) -> Remembered:
        """What Redis knows of a session and its user."""

        async def look_up(redis: Redis) -> list[bytes | None]:
            async with redis.pipeline(transaction=False) as pipeline:
                pipeline.get(self._revoked_key(session_id))
                pipeline.get(self._roles_key)
                pipeline.get(self._principal_key(user_id))
                answer: list[bytes | None] = await pipeline.execute()
            return answer

        revoked, generation, stored = await self._cache.run(look_up)
        made_for, _, principal = (stored or b"").partition(b"\n")
        current = bool(principal) and made_for == (generation or b"")
        return Remembered(
            revoked=revoked is not None,
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

    def _revoked_key(self, session_id: UUID) -> str:
        return f"{self._cache.prefix}{{{session_id}}}:revoked"

    def _principal_key(self, user_id: UUID) -> str:
        return f"{self._cache.prefix}principal:{user_id}"
