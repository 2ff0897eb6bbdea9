"""Databases of the tests: one template that is migrated once, one copy for each test worker."""

import os
from typing import Any
from uuid import uuid4

import asyncpg

from app.migrate import migrate
from app.settings import MigrateSettings, Settings


def new_name() -> str:
    """A name that no other test run uses."""
    return f"groundplan_test_{os.getpid()}_{uuid4().hex[:8]}"


async def run_as_owner(settings: Settings, *statements: str) -> None:
    """Run statements that belong to no database of ours."""
    connection = await connect(settings, "postgres")
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def connect(settings: Settings, database: str) -> "asyncpg.Connection":
    """A plain connection, for what a test looks at or arranges behind the API's back."""
    host, port = settings.postgres_address.split(":")
    return await asyncpg.connect(
        host=host,
        port=int(port),
        user=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        database=database,
    )


def migration_of(settings: Settings, **changes: Any) -> MigrateSettings:
    """Settings that bring the database of `settings` to head."""
    base = {"environment": "development", "postgres_db": settings.postgres_db}
    return MigrateSettings(**{**base, **changes})


async def create_template(settings: Settings) -> str:
    """A migrated database to copy from; returns its name."""
    name = new_name()
    await run_as_owner(settings, f"CREATE DATABASE {name}")
    await migrate(migration_of(settings, postgres_db=name))
    return name


async def create_copy(settings: Settings, template: str) -> str:
    """A database of one's own; returns its name."""
    name = new_name()
    await run_as_owner(settings, f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


async def drop(settings: Settings, name: str) -> None:
    """Drop a database, whoever is connected."""
    await run_as_owner(settings, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
