"""What is in a database: rows and checksums of every table, its revision, roles and grants."""

from typing import Any

from backup.errors import BackupError
from backup.postgres import Connection, identifier

_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY 1, 2"""

# The sum does not depend on the order of rows; two changes that cancel out are beyond chance.
_CHECKSUM = """
SELECT count(*), coalesce(sum(hashtextextended((t.*)::text, 0)::numeric), 0)::text
FROM {schema}.{table} AS t"""

_DATABASE = """
SELECT current_database(), pg_database_size(current_database()), current_setting('server_version')
"""

_ROLES = "SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1"

_GRANTS = """
SELECT coalesce(g.rolname, 'PUBLIC'), a.privilege_type
FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE d.datname = current_database() AND a.grantee <> d.datdba ORDER BY 1, 2"""


def read(connection: Connection) -> dict[str, Any]:
    """All facts, in the transaction of the connection; raises BackupError."""
    [[database, size, version]] = connection.run(_DATABASE)
    tables = checksums(connection)
    return {
        "database": database,
        "database_bytes": size,
        "server_version": version,
        "revision": revision(connection),
        "roles": [name for (name,) in connection.run(_ROLES)],
        "grants": [list(row) for row in connection.run(_GRANTS)],
        "tables": tables,
    }


def checksums(connection: Connection) -> dict[str, dict[str, Any]]:
    """Rows and checksum of every table, by its full name."""
    found = {}
    for schema, table in connection.run(_TABLES):
        statement = _CHECKSUM.format(schema=identifier(schema), table=identifier(table))
        [[rows, checksum]] = connection.run(statement)
        found[f"{schema}.{table}"] = {"rows": rows, "checksum": checksum}
    return found


def revision(connection: Connection) -> str | None:
    """The last migration, where the database has any."""
    [[table]] = connection.run("SELECT to_regclass('public.alembic_version')")
    if table is None:
        return None
    revisions = connection.run("SELECT version_num FROM public.alembic_version ORDER BY 1")
    return ", ".join(str(each) for (each,) in revisions) or None


def compare(expected: dict[str, Any], connection: Connection) -> None:
    """Hold a restored database against the facts of its backup; raises BackupError."""
    found = checksums(connection)
    tables = expected["tables"]
    differences = [
        f"{name} has {_words(found.get(name))} in place of {_words(tables.get(name))}"
        for name in sorted({*found, *tables})
        if found.get(name) != tables.get(name)
    ]
    at = revision(connection)
    if at != expected["revision"]:
        differences.append(f"the schema is at {at} in place of {expected['revision']}")
    if differences:
        raise BackupError(
            "What was restored is not what was backed up.", f"{'; '.join(differences)}."
        )


def _words(table: dict[str, Any] | None) -> str:
    return f"{table['rows']} rows ({table['checksum']})" if table else "nothing"
