"""PostgreSQL: the engine, and sessions that commit before the response leaves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ssl import SSLCertVerificationError, create_default_context
from typing import Any

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

from app.settings import DatabaseSettings, split_address

AFTER_COMMIT = "after_commit"
CONNECT_TIMEOUT_S = 3
POOL_TIMEOUT_S = 5
SILENCE_S = 12  # longer than any statement of a request may run
POOL_SIZE = 10  # and as many again for a rush
SERVER_SETTINGS = {
    "application_name": "groundplan-api",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    # A session whose client vanished in the middle of a statement ends by nothing else, and its
    # locks with it.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
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


def connect_arguments(settings: DatabaseSettings, role: str = "") -> dict[str, Any]:
    """Arguments of asyncpg.connect for this workspace's database.

    With a `role`, connections have its grants and not those of their user.
    """
    host, port = split_address(settings.postgres_address)
    authority = settings.postgres_ca_file
    return {
        "host": host,
        "port": port,
        "user": settings.postgres_user,
        "password": settings.postgres_password.get_secret_value(),
        "database": settings.postgres_db,
        "timeout": CONNECT_TIMEOUT_S,
        # With a certificate authority, PostgreSQL must show a certificate of it for its host.
        "ssl": create_default_context(cafile=authority) if authority else False,
        "server_settings": {**SERVER_SETTINGS, **({"role": role} if role else {})},
    }


class Database:
    """The connection pool, and the ways to use it."""

    def __init__(
        self,
        settings: DatabaseSettings,
        role: str = "",
        pool_size: int = POOL_SIZE,
        silence_s: float | None = None,
    ) -> None:
        """`silence_s` is how long PostgreSQL may say nothing before it is taken for gone."""
        arguments = connect_arguments(settings, role) | {"command_timeout": silence_s}
        self.engine = create_async_engine(
            URL.create("postgresql+asyncpg", arguments.pop("user")),
            connect_args=arguments,
            # Errors go into logs: parameters are e-mail addresses and hashes.
            hide_parameters=True,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=POOL_TIMEOUT_S,
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        event.listen(self.engine.sync_engine, "handle_error", _give_up_all)
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


def _give_up_all(context: ExceptionContext) -> None:
    # SQLAlchemy gives up the connection alone, but the others of the pool are no better.
    if isinstance(context.original_exception, TimeoutError):
        context.invalidate_pool_on_disconnect = True


def is_refusal(error: BaseException) -> bool:
    """Whether `error` means that PostgreSQL does not let this user in."""
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else error
    return isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError)


def is_forgery(error: BaseException) -> bool:
    """Whether `error` means that whoever answers can't prove to be PostgreSQL."""
    return isinstance(error, SSLCertVerificationError)


def is_lock_timeout(error: DBAPIError) -> bool:
    """Whether `error` means that somebody else held a lock for too long."""
    cause = error.orig.__cause__ if error.orig else None
    return isinstance(cause, asyncpg.LockNotAvailableError)


def is_outage(error: BaseException) -> bool:
    """Whether `error` means that PostgreSQL is away, not that a statement is wrong."""
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig else None
        return error.connection_invalidated or isinstance(cause, OUTAGE_ERRORS)
    return isinstance(error, (OSError, TimeoutError, PoolTimeoutError, *OUTAGE_ERRORS))
