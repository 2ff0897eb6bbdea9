"""After another database was put in place: `python -m app.restored`.

Everybody signs in again, and links and mails of then don't come back.
"""

import asyncio
import sys

from redis.asyncio import Redis
from sqlalchemy import delete

from app.auth.models import OneTimeLink
from app.cache import Cache, CacheUnavailableError
from app.database import Database
from app.mail.models import Mail
from app.migrate import say
from app.settings import Settings, settings_or_exit

BATCH = 1000


async def forget_all(settings: Settings) -> int:
    """Delete links, mails and what Redis keeps: a session that it does not know has ended.

    Returns how many keys Redis had; raises CacheUnavailableError.
    """
    database, cache = Database(settings, settings.postgres_role), Cache(settings)
    try:
        async with database.transaction() as session:
            await session.execute(delete(OneTimeLink))
            await session.execute(delete(Mail))
        return await cache.run(lambda redis: _delete_below(redis, cache.prefix))
    finally:
        await cache.close()
        await database.close()


async def _delete_below(redis: Redis, prefix: str) -> int:
    deleted, keys = 0, []
    async for key in redis.scan_iter(match=f"{prefix}*", count=BATCH):
        keys.append(key)
        if len(keys) == BATCH:
            deleted += await redis.delete(*keys)
            keys = []
    return deleted + (await redis.delete(*keys) if keys else 0)


def main() -> int:
    """Run the command; exit code 1 and one line when it fails."""
    settings = settings_or_exit()
    try:
        count = asyncio.run(forget_all(settings))
    except CacheUnavailableError:
        where = f"Redis at {settings.redis_address}"
        print(f"error: {where} does not answer", file=sys.stderr)  # noqa: T201 - the output of a command
        return 1
    say(f"sessions, links and mails: all ended ({count} keys deleted)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
