"""PostgreSQL: the engine, and sessions that commit before the response leaves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

from app.settings import Settings, split_address

AFTER_COMMIT = "after_commit"
CONNECT_TIMEOUT_S = 3
POOL_TIMEOUT_S = 5
SERVER_SETTINGS = {
    "application_name": "groundplan-api",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
}
OUTAGE_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
)


class Base(DeclarativeBase):
    """Base of all models."""

    # Values that PostgreSQL makes come back with the statement: reading them later would do I/O.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - SQLAlchemy declares its type


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """Arguments of asyncpg.connect for this workspace's database."""
    host, port = split_address(settings.postgres_address)
    return {
        "host": host,
        "port": port,
        "user": settings.postgres_user,
        "password": settings.postgres_password.get_secret_value(),
        "database": settings.postgres_db,
        "timeout": CONNECT_TIMEOUT_S,
        "server_settings": SERVER_SETTINGS,
    }


class Database:
    """The connection pool, and the ways to use it."""

    def __init__(self, settings: Settings, pool_size: int = 10) -> None:
        arguments = connect_arguments(settings)
        self.engine = create_async_engine(
            URL.create("postgresql+asyncpg", arguments.pop("user")),
            connect_args=arguments,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=POOL_TIMEOUT_S,
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for single SELECTs, without the round trips of a transaction."""
        async with self._autocommit.connect() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end and then runs what waits for the commit."""
        async with self._sessions() as session:
            yield session
            await session.commit()
            for action in session.info.pop(AFTER_COMMIT, ()):
                await action()

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def after_commit(session: AsyncSession, action: Callable[[], Awaitable[None]]) -> None:
    """Run `action` once `session` has committed, before the response leaves."""
    session.info.setdefault(AFTER_COMMIT, []).append(action)


def _refuse_closed(dbapi: DBAPIConnection, _record: object, _proxy: object) -> None:
    # asyncpg notices a closed socket at once, so that this costs no round trip as a ping would.
    if dbapi.driver_connection.is_closed():
        raise DisconnectionError


def is_refusal(error: BaseException) -> bool:
    """Whether `error` means that PostgreSQL does not let this user in."""
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else error
    return isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError)


def is_outage(error: BaseException) -> bool:
    """Whether `error` means that PostgreSQL is away, not that a statement is wrong."""
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig else None
        return error.connection_invalidated or isinstance(cause, OUTAGE_ERRORS)
    return isinstance(error, (OSError, TimeoutError, PoolTimeoutError, *OUTAGE_ERRORS))
