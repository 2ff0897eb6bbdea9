"""Fills the database with made-up users: `python -m app.seed 100000`."""

import argparse
import asyncio
import sys
import time
import unicodedata

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cache import Cache
from app.database import Database, is_outage
from app.migrate import say
from app.role.domain import VIEWER
from app.settings import Settings, settings_or_exit
from app.user.cache import UserListCache

MAX_USERS = 10_000_000
BATCH = 100_000
# No bcrypt hash looks like this, so that no password ever matches.
UNUSABLE_HASH = "!seed"
FIRST_NAMES = """
Ada Aisha Akira Alejandra Amara Amir Ana Anders Anika Arjun Beatriz Bilal Björn Carmen Chen Chidi
Chloe Daniel Deepa Diego Dmitri Elena Elif Emeka Emma Farah Fatima Felix Freya Gabriel Giulia Grace
Hana Hassan Hugo Ibrahim Ines Ingrid Isaac Ivan Jamal Jana Jin João Kofi Lars Leila Liam Linh Lucía
Mateo Mei Mia Mohammed Nadia Niamh Noah Olga Omar Priya Rafael Rosa Samuel Sofia Tariq Thandi Tomás
Uma Viktor Yara Yuki Zoë
"""
LAST_NAMES = """
Abebe Ahmed Almeida Andersson Bauer Becker Bianchi Brown Campbell Castillo Chen Cohen Costa Cruz
Diallo Dubois Evans Fernández Fischer Fujita García Gómez Gupta Haddad Hansen Hernández Hoffmann
Horvat Ito Ivanov Jansen Jensen Johnson Kaya Khan Kim Kowalski Kumar Larsen Lee López Martin Mbeki
Mensah Meyer Moreau Müller Murphy Nakamura Nguyen Nielsen Novak Nwosu O'Brien Okafor Osei Patel
Pereira Petrov Popescu Ramos Rossi Sánchez Santos Sato Schmidt Sharma Silva Singh Smith Suzuki
Svensson Tanaka Taylor Torres Tran Virtanen Walker Wang Weber Williams Wilson Wójcik Yamamoto Yilmaz
Young Zhang
"""

COUNT = text("SELECT count(*) FROM users WHERE password_hash = :hash")

# Deterministic: user number n is the same everywhere. 7919 and 104729 are primes, which spread the
# names; the number in the address makes it unique. Ids grow with n, which keeps the index quick.
INSERT = text(
    """
    INSERT INTO users (id, email, name, password_hash, role_id, is_active, created_at, updated_at)
    SELECT CAST('5eed0000-0000-4000-8000-' || lpad(to_hex(n), 12, '0') AS uuid),
        (CAST(:first_slugs AS text[]))[first] || '.' || (CAST(:last_slugs AS text[]))[last]
            || '.' || n || '@example.com',
        (CAST(:first_names AS text[]))[first] || ' ' || (CAST(:last_names AS text[]))[last],
        :hash, role.id, n % 50 <> 0, moment, moment
    FROM generate_series(CAST(:low AS int), CAST(:high AS int)) AS n
    CROSS JOIN LATERAL (SELECT
        1 + (n::bigint * 7919) % :first_count AS first,
        1 + (n::bigint * 104729 / 71) % :last_count AS last,
        timestamptz '2026-01-01 00:00:00+00' + n * interval '17 seconds' AS moment
    ) AS made
    CROSS JOIN (SELECT id FROM roles WHERE name = :role) AS role
    ON CONFLICT DO NOTHING
    """
)
# The search indexes take what is new in big gulps: twice as fast as row by row.
BULK_SETTINGS = (
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL gin_pending_list_limit = '512MB'",
    "SET LOCAL maintenance_work_mem = '256MB'",
)
# Only the owner may; for others PostgreSQL merges them by and by.
MERGE_INDEXES = text(
    """
    SELECT gin_clean_pending_list(c.oid) FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
    WHERE i.indrelid = 'users'::regclass AND a.amname = 'gin'
      AND pg_has_role(c.relowner, 'USAGE')
    """
)


async def seed(settings: Settings, wanted: int) -> None:
    """See to it that there are `wanted` made-up users; makes only the missing ones."""
    database, cache = Database(settings), Cache(settings)
    started = time.monotonic()
    try:
        async with database.read() as connection:
            present = await connection.scalar(COUNT, {"hash": UNUSABLE_HASH}) or 0
        if present >= wanted:
            say(f"{present:,} made-up users are there already; none made")
            return
        for low in range(present + 1, wanted + 1, BATCH):
            high = min(low + BATCH - 1, wanted)
            await _insert(database, low, high)
            say(f"{high:,} of {wanted:,} users, {time.monotonic() - started:.1f} s")
        await _merge_indexes(database)
        await UserListCache(cache).invalidate()
    finally:
        await cache.close()
        await database.close()


async def _insert(database: Database, low: int, high: int) -> None:
    first_names, last_names = FIRST_NAMES.split(), LAST_NAMES.split()
    parameters = {
        "low": low,
        "high": high,
        "hash": UNUSABLE_HASH,
        "role": VIEWER,
        "first_names": first_names,
        "last_names": last_names,
        "first_slugs": [_slug(name) for name in first_names],
        "last_slugs": [_slug(name) for name in last_names],
        "first_count": len(first_names),
        "last_count": len(last_names),
    }
    async with database.transaction() as session:
        await _set_up(session)
        await session.execute(INSERT, parameters)


async def _merge_indexes(database: Database) -> None:
    async with database.transaction() as session:
        await _set_up(session)
        await session.execute(MERGE_INDEXES)


async def _set_up(session: AsyncSession) -> None:
    for setting in BULK_SETTINGS:
        await session.execute(text(setting))


def _slug(name: str) -> str:
    """The name as it may stand in an e-mail address: "Zoë" becomes "zoe"."""
    return "".join(c for c in unicodedata.normalize("NFKD", name).lower() if "a" <= c <= "z")


def _number(value: str) -> int:
    digits = value.replace("_", "").replace(",", "")
    if not (digits.isascii() and digits.isdigit()) or not 1 <= int(digits) <= MAX_USERS:
        raise argparse.ArgumentTypeError(f"{value!r} is no whole number from 1 to {MAX_USERS:,}")
    return int(digits)


def main() -> int:
    """Run the command; exit code 1 and one line when it fails."""
    parser = argparse.ArgumentParser(
        prog="python -m app.seed",
        description="Fills the database with made-up users, up to N of them.",
        epilog="example: python -m app.seed 100000",
    )
    parser.add_argument("n", type=_number, metavar="N", help="how many users there shall be")
    wanted: int = parser.parse_args().n
    settings = settings_or_exit()
    try:
        asyncio.run(seed(settings, wanted))
    except Exception as error:
        if not is_outage(error):
            raise
        print(  # noqa: T201 - the output of a command
            f"error: PostgreSQL at {settings.postgres_address} does not answer: {error}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
