"""What restores need of the API: a verdict on a database, and an end of all sessions."""

import pytest
from sqlalchemy import text

from app.cache import CacheUnavailableError
from app.database import Database
from app.restored import forget_all
from app.settings import Settings
from app.smoke import SmokeError, smoke
from tests.people import People
from tests.running import run_api

pytestmark = pytest.mark.anyio


async def change(settings: Settings, statement: str) -> None:
    """Change a database as the owner."""
    database = Database(settings)
    async with database.engine.begin() as connection:
        await connection.execute(text(statement))
    await database.close()


async def test_a_whole_database_passes(own_settings: Settings) -> None:
    """Every table is read, and the roles that are built in are there."""
    counts = await smoke(own_settings)
    assert counts["roles"] >= 3
    assert {"users", "jobs", "outbox"} <= set(counts)


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "the schema is at 0001"),
        ("DELETE FROM roles WHERE name = 'viewer'", "roles are missing: viewer"),
    ],
)
async def test_a_database_that_is_not_whole_fails(
    own_settings: Settings, statement: str, complaint: str
) -> None:
    """The error says what is missing."""
    await change(own_settings, statement)
    with pytest.raises(SmokeError, match=complaint):
        await smoke(own_settings)


async def test_a_table_that_lacks_a_column_fails(own_settings: Settings) -> None:
    """What the API could not read is noticed, also in a table without rows."""
    await change(own_settings, "ALTER TABLE jobs DROP COLUMN error CASCADE")
    with pytest.raises(Exception, match="error"):
        await smoke(own_settings)


async def test_after_a_restore_everybody_signs_in_again(own_settings: Settings) -> None:
    """Access and refresh tokens are refused, and signing in works."""
    async with run_api(own_settings) as api:
        person = await People(api).create()
        tokens = await person.login()
        async with api.client(tokens["access_token"]) as client:
            assert (await client.get("/api/v1/auth/me")).status_code == 200
            assert await forget_all(own_settings) > 0
            assert (await client.get("/api/v1/auth/me")).status_code == 401
        await person.login()


async def test_after_a_restore_old_mails_stay_unsent(own_settings: Settings) -> None:
    """What waited to be sent when the backup was made is not sent when it comes back."""
    asked = "INSERT INTO mails (kind, recipient) VALUES ('password_reset', 'a@example.com')"
    await change(own_settings, asked)
    assert (await smoke(own_settings))["mails"] == 1
    await forget_all(own_settings)
    assert (await smoke(own_settings))["mails"] == 0


async def test_nothing_is_forgotten_while_redis_is_away(own_settings: Settings) -> None:
    """It fails, so that whoever restores knows that sessions go on."""
    away = own_settings.model_copy(update={"redis_address": "127.0.0.1:1"})
    with pytest.raises(CacheUnavailableError):
        await forget_all(away)
