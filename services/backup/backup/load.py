"""Loads a dump into a new database, and holds it against what was written down."""

import os
from pathlib import Path
from typing import Any

from backup import facts
from backup.catalog import Catalog
from backup.manifest import Manifest
from backup.postgres import Connection, Server, identifier
from backup.process import run
from backup.progress import progress

MAINTENANCE = "postgres"
_MEMORY_MB = 1024


def save(catalog: Catalog, manifest: Manifest, place: Path) -> Path:
    """The data of a backup as a file in `place`; raises BackupError if they are damaged."""
    target = place / manifest.file
    with target.open("wb") as stream:
        for chunk in catalog.content(manifest):
            stream.write(chunk)
    return target


def load(server: Server, database: str, dump: Path, expected: dict[str, Any]) -> None:
    """Make `database` from a dump and compare it; if anything fails there is no such database."""
    create(server, database)
    try:
        progress(f"restoring into {database}")
        jobs = max(2, min(4, os.cpu_count() or 2))
        words = ("--no-owner", "--exit-on-error", f"--jobs={jobs}", f"--dbname={database}")
        environment = {**server.environment, "PGOPTIONS": _quick(jobs)}
        run(["pg_restore", *words, str(dump)], environment, "pg_restore failed.")
        progress("comparing every table")
        with server.connect(database) as connection:
            facts.compare(expected, connection)
            _grant(connection, database, expected["grants"])
    except BaseException:
        drop(server, database)
        raise


def create(server: Server, database: str) -> None:
    """Make an empty database; one of that name, left by an attempt that was killed, goes."""
    drop(server, database)
    with server.connect(MAINTENANCE) as connection:
        connection.run(f"CREATE DATABASE {identifier(database)} TEMPLATE template0")


def drop(server: Server, database: str) -> None:
    """Drop a database, whoever is connected."""
    with server.connect(MAINTENANCE) as connection:
        connection.run(f"DROP DATABASE IF EXISTS {identifier(database)} WITH (FORCE)")


def create_roles(server: Server, roles: list[str]) -> None:
    """Make the roles that a dump grants to, on a server that has none of them."""
    with server.connect(MAINTENANCE) as connection:
        there = {name for (name,) in connection.run("SELECT rolname FROM pg_roles")}
        for role in roles:
            if role not in there:
                connection.run(f"CREATE ROLE {identifier(role)} NOLOGIN")


def _grant(connection: Connection, database: str, grants: list[list[str]]) -> None:
    """Who may do what with the database itself, which no dump tells."""
    there = {name for (name,) in connection.run("SELECT rolname FROM pg_roles")}
    connection.run(f"REVOKE ALL ON DATABASE {identifier(database)} FROM PUBLIC")
    for grantee, privilege in grants:
        if grantee == "PUBLIC" or grantee in there:
            who = "PUBLIC" if grantee == "PUBLIC" else identifier(grantee)
            connection.run(f"GRANT {privilege} ON DATABASE {identifier(database)} TO {who}")


def _quick(jobs: int) -> str:
    # An index for searches needs half a gigabyte for a million users, else twice the time.
    memory = f"-c maintenance_work_mem={_MEMORY_MB // jobs}MB"
    return f"{memory} -c synchronous_commit=off -c statement_timeout=0"
