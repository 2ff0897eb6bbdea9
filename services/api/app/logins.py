"""Who may do what in PostgreSQL.

Two group roles hold the grants, which a migration gives them; nobody can log in as one of them.
In development the owner logs in and takes on the role; in production each service has a login of
its own that is a member. A login can be made beside another, so that passwords are replaced
without an outage.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

API_ROLE = "groundplan_api"
WORKER_ROLE = "groundplan_worker"
BACKUP_ROLE = "groundplan_backup"
ITERATIONS = 4096

# Utility statements take no parameters: PostgreSQL itself quotes what goes into them.
CREATE = "SELECT format('CREATE ROLE %I', CAST(:user AS text))"
ALTER = """
SELECT format(
    'ALTER ROLE %I LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS '
    '%s CONNECTION LIMIT %s PASSWORD %L',
    CAST(:user AS text),
    CASE WHEN CAST(:replicates AS boolean) THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
    floor(CAST(:share AS float8) * current_setting('max_connections')::int),
    CAST(:verifier AS text)
)
"""
GRANT = "SELECT format('GRANT %I TO %I', CAST(:role AS text), CAST(:user AS text))"
IS_MEMBER = """
SELECT pg_has_role(rolname, CAST(:role AS name), 'MEMBER') AND NOT rolsuper
FROM pg_roles WHERE rolname = :user
"""


class LoginTakenError(Exception):
    """A role of that name is there already, and is not one of ours."""


@dataclass(frozen=True)
class Login:
    """A user of PostgreSQL for one service."""

    user: str
    password: SecretStr
    role: str
    share: float
    """Of PostgreSQL's connections, at most; the rest is left to people and commands."""
    replicates: bool = False
    """Whether it may read WAL and all files of the server."""


async def ensure_login(connection: AsyncConnection, login: Login) -> None:
    """Create the login, or give it the password; raises LoginTakenError."""
    names = {"user": login.user, "role": login.role}
    is_member = await connection.scalar(text(IS_MEMBER), names)
    if is_member is False:
        raise LoginTakenError(f"the role {login.user} exists and is no member of {login.role}")
    if is_member is None:
        await _execute(connection, CREATE, user=login.user)
    # The server and its logs get to see a verifier, never the password.
    verifier = scram_verifier(login.password.get_secret_value())
    rights = {"share": login.share, "replicates": login.replicates}
    await _execute(connection, ALTER, user=login.user, verifier=verifier, **rights)
    await _execute(connection, GRANT, **names)


async def _execute(connection: AsyncConnection, query: str, **values: object) -> None:
    statement = await connection.scalar(text(query), values)
    await connection.exec_driver_sql(str(statement))


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores of an ASCII password (RFC 5803)."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"
