"""Runs migrations on the connection that `python -m app.migrate` or the alembic command opens."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from app.audit import models as audit_models
from app.auth import models as auth_models
from app.database import Base, Database
from app.job import models as job_models
from app.mail import models as mail_models
from app.settings import DatabaseSettings
from app.user import models as user_models

MODELS = (user_models, auth_models, job_models, mail_models, audit_models)


def run(connection: Connection) -> None:
    """Run the migrations on an open connection, inside its transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    """Run the migrations for the alembic command, which brings no connection."""
    # Fields without defaults come from the environment.
    database = Database(DatabaseSettings())
    async with database.engine.begin() as connection:
        await connection.run_sync(run)
    await database.close()


if shared := context.config.attributes.get("connection"):
    run(shared)
else:
    asyncio.run(connect_and_run())
