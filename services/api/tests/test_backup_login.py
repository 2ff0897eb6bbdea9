"""The login of backups: it may read everything, and change nothing."""

from uuid import uuid4

import asyncpg
import pytest

from app.database import connect_arguments
from app.logins import BACKUP_ROLE
from app.migrate import migrate
from app.settings import Settings
from tests import database

pytestmark = pytest.mark.anyio
PASSWORD = "a-password-of-a-test-user"


async def test_a_login_for_backups_reads_everything_and_changes_nothing(
    own_settings: Settings,
) -> None:
    """It reads every table and receives WAL; writing, and making databases, are refused."""
    user = f"backup_{uuid4().hex[:8]}"
    await migrate(
        database.migration_of(
            own_settings, backup_postgres_user=user, backup_postgres_password=PASSWORD
        )
    )
    arguments = connect_arguments(own_settings)
    owner = await asyncpg.connect(**arguments)
    try:
        connection = await asyncpg.connect(**{**arguments, "user": user, "password": PASSWORD})
        try:
            assert await connection.fetchval("SELECT count(password_hash) FROM users") >= 1
            assert await connection.fetchval("SELECT system_identifier FROM pg_control_system()")
            for statement in (
                "DELETE FROM users",
                "CREATE TABLE mine (id int)",
                "CREATE ROLE mine",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()
        row = await owner.fetchrow(
            "SELECT rolreplication, rolsuper, rolbypassrls, pg_has_role(rolname, $2, 'MEMBER')"
            " FROM pg_roles WHERE rolname = $1",
            user,
            BACKUP_ROLE,
        )
        assert row
        assert tuple(row) == (True, False, False, True)
    finally:
        await owner.execute(f"DROP ROLE {user}")
        await owner.close()
