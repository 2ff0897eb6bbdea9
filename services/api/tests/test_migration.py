"""A migration beside a running system takes its locks within a short while, or changes nothing."""

import time

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from app.migrate import migrate
from app.settings import Settings
from tests import database
from tests.process import run

pytestmark = pytest.mark.anyio
LOCK_TIMEOUT_S = 5.0


async def schema_of(connection: "asyncpg.Connection") -> list[tuple[str, str, str]]:
    """Every column there is."""
    rows = await connection.fetch(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]


@pytest.fixture
async def old(own_settings: Settings) -> Settings:
    """Settings of a database that is at the schema of the first release."""
    status, out = await run(own_settings, "alembic", "downgrade", "0002")
    assert status == 0, out
    return own_settings


@pytest.mark.parametrize("table", ["users", "jobs"])
async def test_a_long_reader_stops_a_migration_and_nothing_else(old: Settings, table: str) -> None:
    """It gives up after five seconds, the old schema is whole, and a later try succeeds."""
    reader = await database.connect(old, old.postgres_db)
    before = await schema_of(reader)
    transaction = reader.transaction()
    await transaction.start()
    await reader.fetch(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608 - one of the two above
    started = time.monotonic()
    with pytest.raises(DBAPIError, match="lock timeout"):
        await migrate(database.migration_of(old))
    assert time.monotonic() - started < LOCK_TIMEOUT_S + 3
    assert await schema_of(reader) == before
    await transaction.rollback()
    await migrate(database.migration_of(old))
    assert await schema_of(reader) != before
    await reader.close()
