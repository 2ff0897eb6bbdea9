"""Puts a restored database in the place of the one in use, and back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from backup.errors import BackupError
from backup.load import MAINTENANCE, drop
from backup.postgres import APPLICATION, Server, identifier
from backup.progress import progress

BEFORE = "_before_"
RESTORED = "_restored_"
UNDONE = "_undone_"
_POLL_S = 0.05
_END_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = ANY(CAST(:names AS text[])) AND pid <> pg_backend_pid()"""


def others(server: Server, database: str) -> int:
    """How many connections others have to the database."""
    with server.connect(MAINTENANCE) as connection:
        [[count]] = connection.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = :name "
            "AND backend_type = 'client backend' AND application_name <> :own",
            name=database,
            own=APPLICATION,
        )
    return int(count)


def refuse_running(server: Server, database: str, hint: str) -> None:
    """Raise BackupError if others are connected to the database."""
    if count := others(server, database):
        raise BackupError(
            f"The database {database} is in use.", f"It has {count} connections of others.", hint
        )


def swap(server: Server, database: str, replacement: str, mark: str = BEFORE) -> str:
    """Give `replacement` the name `database`; returns the name that the old one has now.

    Connections to the old one are ended. Both renames are one transaction: whatever happens,
    there is one of the two under that name.
    """
    kept = f"{database}{mark}{datetime.now(UTC):%Y%m%dt%H%M%S}"
    progress(f"putting {replacement} in the place of {database}")
    with _emptied(server, database, replacement), server.connect(MAINTENANCE) as connection:
        connection.run("BEGIN")
        # Who connects waits for this transaction; it waits up to 5 s for those who are there.
        connection.run(f"ALTER DATABASE {identifier(database)} RENAME TO {identifier(kept)}")
        connection.run(f"ALTER DATABASE {identifier(replacement)} RENAME TO {identifier(database)}")
        connection.run("COMMIT")
    return kept


def swap_back(server: Server, database: str) -> tuple[str, str]:
    """Undo the last swap; returns the names of what was put back, and of what it replaced."""
    kept = sorted(named(server, database, BEFORE))
    if not kept:
        raise BackupError("There is nothing to put back.", f"No {database}{BEFORE}… is kept.")
    return kept[-1], swap(server, database, kept[-1], UNDONE)


def drop_old(server: Server, database: str) -> list[str]:
    """Drop all that restores have left beside the database; returns their names."""
    names = [name for mark in (BEFORE, RESTORED, UNDONE) for name in named(server, database, mark)]
    for name in names:
        progress(f"dropping {name}")
        drop(server, name)
    return names


def named(server: Server, database: str, mark: str) -> list[str]:
    """Databases that carry the mark."""
    with server.connect(MAINTENANCE) as connection:
        rows = connection.run(
            "SELECT datname FROM pg_database WHERE starts_with(datname, :begin)",
            begin=f"{database}{mark}",
        )
    return [name for (name,) in rows]


@contextmanager
def _emptied(server: Server, *databases: str) -> Iterator[None]:
    """End all connections to databases, also those that come, as long as this lasts."""
    ended = threading.Event()

    def end_all() -> None:
        with server.connect(MAINTENANCE) as connection:
            while not ended.is_set():
                connection.run(_END_ALL, names=list(databases))
                ended.wait(_POLL_S)

    thread = threading.Thread(target=end_all, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
