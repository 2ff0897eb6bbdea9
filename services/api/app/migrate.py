"""Brings the database to head and creates the roles and the first user: `python -m app.migrate`."""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from pydantic import ValidationError
from sqlalchemy import Connection, exists, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.auth.domain import check_password, check_strength
from app.auth.passwords import hash_password
from app.database import Database, is_forgery, is_outage, is_refusal
from app.logins import Login, LoginTakenError, ensure_login
from app.role.domain import ADMIN, BUILT_IN_ROLES
from app.role.models import Role
from app.secret_files import SecretFileError
from app.settings import MigrateSettings, exit_with
from app.user.models import User

MIGRATIONS = Path(__file__).parents[1] / "migrations"
# Any number, the same in every process: whoever holds it migrates, the others wait.
LOCK_KEY = 7_203_641
WAIT_S = 30.0
RETRY_S = 0.2
FIRST_NAME = "Admin"


def say(line: str) -> None:
    """Tell the person who runs the command."""
    print(line, flush=True)  # noqa: T201 - the output of a command


async def migrate(settings: MigrateSettings) -> None:
    """Do everything in one transaction: it is all there, or nothing is."""
    database = Database(settings)
    try:
        await _wait_for(database)
        async with database.engine.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            before, after = await connection.run_sync(_upgrade)
            say(f"schema: at {after}" if before == after else f"schema: {before} -> {after}")
            await _create_roles(connection)
            await _create_first_user(connection, settings)
            await _create_logins(connection, settings.logins)
    finally:
        await database.close()


async def _wait_for(database: Database) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            async with database.read() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception as error:
            if not is_outage(error) or is_forgery(error) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(RETRY_S)
        else:
            return


def _upgrade(connection: Connection) -> tuple[str | None, str | None]:
    """Upgrade to head; returns the revision before and after."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    before = MigrationContext.configure(connection).get_current_revision()
    command.upgrade(config, "head")
    return before, MigrationContext.configure(connection).get_current_revision()


async def _create_roles(connection: AsyncConnection) -> None:
    for name, (description, permissions) in BUILT_IN_ROLES.items():
        await connection.execute(
            upsert(Role)
            .values(name=name, description=description, permissions=list(permissions))
            .on_conflict_do_nothing()
        )
    # A new version may bring new permissions.
    every = list(BUILT_IN_ROLES[ADMIN][1])
    await connection.execute(update(Role).where(Role.name == ADMIN).values(permissions=every))
    say(f"roles: {', '.join(BUILT_IN_ROLES)}")


async def _create_logins(connection: AsyncConnection, logins: Sequence[Login]) -> None:
    """Those of earlier passwords stay: whoever replaces a password drops them."""
    for login in logins:
        await ensure_login(connection, login)
        say(f"login: {login.user}, member of {login.role}")


async def _create_first_user(connection: AsyncConnection, settings: MigrateSettings) -> None:
    """Only while there is no admin: a renamed or deactivated first user must not come back."""
    is_admin = exists().where(User.role_id == Role.id, Role.name == ADMIN)
    taken = exists().where(func.lower(User.email) == settings.admin_email.lower())
    if await connection.scalar(select(is_admin | taken)):
        say("first user: exists")
        return
    role_id = select(Role.id).where(Role.name == ADMIN).scalar_subquery()
    password = check_password(settings.admin_password.get_secret_value())
    check_strength(password, settings.admin_email, FIRST_NAME)
    password_hash = hash_password(password)
    await connection.execute(
        insert(User).values(
            email=settings.admin_email.lower(),
            name=FIRST_NAME,
            password_hash=password_hash,
            role_id=role_id,
        )
    )
    say(f"first user: {settings.admin_email} created")


def settings_or_exit() -> MigrateSettings:
    """The settings; ends the process with one line for each bad variable."""
    try:
        # Fields without defaults come from the environment.
        return MigrateSettings()
    except (ValidationError, SecretFileError) as error:
        exit_with(error)


def main() -> int:
    """Run the command; exit code 1 and one line when it fails."""
    settings = settings_or_exit()
    try:
        asyncio.run(migrate(settings))
    except LoginTakenError as error:
        print(f"error: {error}: give the service another user", file=sys.stderr)  # noqa: T201 - the output of a command
        return 1
    except Exception as error:
        if is_refusal(error):
            why = (
                f"refused {settings.postgres_user}: look at POSTGRES_PASSWORD (./gp secrets check)"
            )
        elif is_forgery(error):
            why = f"shows no certificate that POSTGRES_CA_FILE vouches for: {error}"
        elif is_outage(error):
            why = f"did not answer for {WAIT_S:.0f} s: {error}"
        else:
            raise
        server = f"PostgreSQL at {settings.postgres_address}"
        print(f"error: {server} {why}", file=sys.stderr)  # noqa: T201 - the output of a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
