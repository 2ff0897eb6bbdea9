"""PostgreSQL: short statements on a pool, and connections for long ones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import create_default_context
from typing import Any, Self

import asyncpg

from app.settings import SERVICE, Settings, split_address

CONNECT_TIMEOUT_S = 3
QUERY_TIMEOUT_S = 5
# The server ends a session whose client vanished within 20 s, and its locks with it.
KEEPALIVES = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}


class Database:
    """Connects when it is first used, and again after every loss."""

    def __init__(self, settings: Settings) -> None:
        host, port = split_address(settings.postgres_address)
        role, authority = settings.postgres_role, settings.postgres_ca_file
        self._arguments: dict[str, Any] = {
            "host": host,
            "port": port,
            "user": settings.postgres_user,
            "password": settings.postgres_password.get_secret_value(),
            "database": settings.postgres_db,
            "timeout": CONNECT_TIMEOUT_S,
            # With an authority, PostgreSQL must show a certificate of it for its host.
            "ssl": create_default_context(cafile=authority) if authority else False,
            "server_settings": {
                **KEEPALIVES,
                "application_name": SERVICE,
                **({"role": role} if role else {}),
            },
        }
        # Each job may use one connection for its progress and one for its lease.
        self._pool = asyncpg.create_pool(
            min_size=0, max_size=settings.worker_concurrency * 2 + 1, **self._arguments
        )

    async def __aenter__(self) -> Self:
        await self._pool
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.terminate()

    async def fetchrow(self, sql: str, *values: object) -> "asyncpg.Record | None":
        """The first row of a short statement; raises TimeoutError after 5 s."""
        async with self._pool.acquire(timeout=QUERY_TIMEOUT_S) as connection:
            try:
                return await connection.fetchrow(sql, *values, timeout=QUERY_TIMEOUT_S)
            except TimeoutError:
                # A frozen server would not answer the request to cancel either.
                connection.terminate()
                raise

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["asyncpg.Connection"]:
        """A connection of one's own without time limits, as for COPY."""
        connection = await asyncpg.connect(**self._arguments)
        try:
            yield connection
        finally:
            # It may be in the middle of a COPY that nobody reads any more.
            connection.terminate()

    async def check(self) -> None:
        """Raise unless PostgreSQL answers."""
        await self.fetchrow("SELECT 1")
