"""Whether the API can use a database: `python -m app.smoke`, which restore drills run."""

import asyncio
import sys
from collections.abc import Mapping

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import ValidationError
from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import models as audit_models
from app.auth import models as auth_models
from app.database import Base, Database
from app.job import models as job_models
from app.job.repository import JobRepository
from app.job.schemas import JobQuery
from app.mail import models as mail_models
from app.migrate import MIGRATIONS, say
from app.role.domain import BUILT_IN_ROLES
from app.role.repository import RoleRepository
from app.secret_files import SecretFileError
from app.settings import DatabaseSettings, exit_with
from app.user import models as user_models

MODELS = (user_models, auth_models, job_models, mail_models, audit_models)


class SmokeError(Exception):
    """What is wrong with the database."""


async def smoke(settings: DatabaseSettings) -> Mapping[str, int]:
    """Read every table as the API does; returns how many rows each has, or raises SmokeError."""
    database = Database(settings)
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(_check_revision)
        async with database.transaction() as session:
            await _check_features(session)
            return {
                str(mapper.local_table): await _count(session, mapper.class_)
                for mapper in sorted(Base.registry.mappers, key=lambda each: each.class_.__name__)
            }
    finally:
        await database.close()


def _check_revision(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    found = MigrationContext.configure(connection).get_current_revision()
    if found != head:
        raise SmokeError(f"the schema is at {found}, and this version needs {head}")


async def _check_features(session: AsyncSession) -> None:
    names = {role.name for role in await RoleRepository(session).list()}
    if missing := set(BUILT_IN_ROLES) - names:
        raise SmokeError(f"roles are missing: {', '.join(sorted(missing))}")
    await JobRepository(session).page(JobQuery(), None)


async def _count(session: AsyncSession, model: type) -> int:
    """Rows of a table; one of them is loaded whole."""
    (await session.scalars(select(model).limit(1))).all()
    return await session.scalar(select(func.count()).select_from(model)) or 0


def main() -> int:
    """Run the command; exit code 1 and one line when the database can't be used."""
    try:
        # Fields without defaults come from the environment.
        counts = asyncio.run(smoke(DatabaseSettings()))
    except (ValidationError, SecretFileError) as error:
        exit_with(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the database can't be used
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the output of a command
        return 1
    for table, rows in counts.items():
        say(f"{table}: {rows}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
