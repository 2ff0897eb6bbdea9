"""A PostgreSQL server: connections to it, and the environment of its programs."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import pg8000.exceptions
import pg8000.native

from backup.errors import BackupError

Connection: TypeAlias = pg8000.native.Connection

APPLICATION = "groundplan-backup"
_TIMEOUT_S = 10

# Texts of values go into checksums: they must not depend on who asks, nor where.
_SESSION = (
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET timezone = 'UTC'",
    "SET datestyle = 'ISO, YMD'",
    "SET intervalstyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET search_path = pg_catalog",
    "SET jit = off",
)


@dataclass(frozen=True)
class Server:
    """Where PostgreSQL is, and who asks it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    ca_file: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What PostgreSQL's own programs need."""
        tls = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": self.ca_file}
        return {
            **os.environ,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGAPPNAME": APPLICATION,
            "PGCONNECT_TIMEOUT": str(_TIMEOUT_S),
            **(tls if self.ca_file else {"PGSSLMODE": "disable"}),
        }

    @contextmanager
    def connect(self, database: str) -> Iterator[Connection]:
        """A connection that is closed at the end; raises BackupError if there is none to be had."""
        try:
            connection = Connection(
                self.user,
                host=self.host,
                port=self.port,
                password=self.password,
                database=database,
                application_name=APPLICATION,
                timeout=_TIMEOUT_S,
                ssl_context=ssl.create_default_context(cafile=self.ca_file)
                if self.ca_file
                else None,
            )
            # The time limit is for connecting; a statement may take as long as it needs.
            connection._usock.settimeout(None)  # noqa: SLF001 - there is no other way
        except (pg8000.exceptions.Error, OSError) as error:
            where = f"{database} at {self.host}:{self.port}"
            raise BackupError(f"No connection to PostgreSQL ({where}).", reason(error)) from error
        try:
            for statement in _SESSION:
                connection.run(statement)
            yield connection
        except (pg8000.exceptions.Error, OSError) as error:
            raise BackupError("PostgreSQL refused or went away.", reason(error)) from error
        finally:
            with suppress(pg8000.exceptions.Error, OSError):  # it may be gone already
                connection.close()


def reason(error: Exception) -> str:
    """What PostgreSQL says, without the rest of its fields."""
    fields = error.args[0] if error.args else ""
    if isinstance(fields, dict):
        return f"{fields.get('M', fields)} {fields.get('D', '')}".strip()
    return str(error)


def identifier(name: str) -> str:
    """`name` as it is written in a statement."""
    return str(pg8000.native.identifier(name))
