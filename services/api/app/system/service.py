"""Whether everything that the API works with answers."""

import asyncio
from collections.abc import Awaitable

import structlog
from sqlalchemy import text

from app.resources import Resources
from app.system.schemas import Checks, CheckStatus, Readiness

TIMEOUT_S = 2.0

log = structlog.get_logger()


async def check_readiness(resources: Resources) -> Readiness:
    """Ask all at once; only PostgreSQL is indispensable. Who is about to stop is unavailable."""
    postgres, redis, storage = await asyncio.gather(
        _check("postgres", _ping_postgres(resources)),
        _check("redis", resources.cache.ping()),
        _check("storage", resources.storage.check()),
    )
    rabbitmq: CheckStatus = "ok" if resources.relay.connected else "unavailable"
    checks = Checks(postgres=postgres, redis=redis, rabbitmq=rabbitmq, storage=storage)
    if postgres != "ok" or resources.drain.started:
        return Readiness(status="unavailable", checks=checks)
    all_ok = all(value == "ok" for _, value in checks)
    return Readiness(status="ok" if all_ok else "degraded", checks=checks)


async def _check(name: str, probe: Awaitable[None]) -> CheckStatus:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await probe
    except Exception as error:  # noqa: BLE001 - whatever it is, that thing is not ready
        log.warning("readiness.failed", check=name, error=type(error).__name__)
        return "unavailable"
    return "ok"


async def _ping_postgres(resources: Resources) -> None:
    async with resources.database.read() as connection:
        await connection.execute(text("SELECT 1"))
