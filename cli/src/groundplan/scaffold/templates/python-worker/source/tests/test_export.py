"""Exports: what is in the files."""

import csv
import io
import json
import re
from typing import Any

import pytest

from app.worker import run_worker
from tests.system import System

pytestmark = pytest.mark.anyio

NASTY = (
    "plain",
    'with "quotes", commas',
    "two\nlines\r\nand more",
    "back\\slash \\n \\.",
    "Ünïcode 你好 🎉 \u2028",
    "apostrophe's",
    "",
    "\u0001 and \u0002",
    "\\.",
)
COLUMNS = ["id", "email", "name", "role", "is_active", "created_at"]
ALL_ROWS = """
    SELECT u.id::text, email, u.name, r.name AS role, is_active,
        to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
    FROM users u JOIN roles r ON r.id = u.role_id ORDER BY u.id
"""


@pytest.fixture(scope="module", autouse=True)
async def worker_and_users(system: System) -> Any:
    """A worker, and users whose names are hard to write down."""
    for name in NASTY:
        await system.add_user(name)
    await system.pool.execute("UPDATE users SET is_active = false WHERE name = 'plain'")
    async with run_worker(system.settings):
        yield


async def export(system: System, file_format: str, compression: str) -> tuple[dict[str, Any], str]:
    """Run an export; returns the job and the text of its file."""
    job = await system.reaches(await system.add_export(file_format, compression), "succeeded")
    return job, await system.read(job["result"])


async def rows_of(system: System) -> list[dict[str, Any]]:
    """The rows as they are in the database."""
    return [dict(row) for row in await system.pool.fetch(ALL_ROWS)]


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_csv_holds_every_row(system: System, compression: str) -> None:
    """CSV holds every row as it is in the database, whatever people typed."""
    _, text = await export(system, "csv", compression)
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == COLUMNS
    expected = [
        [str(value).lower() if isinstance(value, bool) else value for value in row.values()]
        for row in await rows_of(system)
    ]
    assert sorted(rows) == expected


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_json_lines_hold_every_row(system: System, compression: str) -> None:
    """JSON Lines hold one object a row, exactly."""
    _, text = await export(system, "jsonl", compression)
    rows = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    assert sorted(rows, key=lambda row: row["id"]) == await rows_of(system)


async def test_result_names_the_file(system: System) -> None:
    """The result has the key, name, type, rows and size of the file."""
    job, _ = await export(system, "jsonl", "gzip")
    result = job["result"]
    assert re.fullmatch(r"exports/[0-9a-f-]{36}/1/users-\d{8}-\d{6}\.jsonl\.gz", result.pop("key"))
    assert re.fullmatch(r"users-\d{8}-\d{6}\.jsonl\.gz", result.pop("filename"))
    assert result.pop("bytes") > 0
    assert result == {"content_type": "application/gzip", "rows": len(NASTY) + 1}
    assert (job["progress_done"], job["progress_total"], job["attempts"]) == (10, 10, 1)


async def test_no_password_hash(system: System) -> None:
    """A password hash never leaves the database."""
    for file_format in ("csv", "jsonl"):
        _, text = await export(system, file_format, "none")
        assert "never-export-this" not in text


async def test_formula_is_harmless(system: System) -> None:
    """A name that a spreadsheet would run as a formula gets an apostrophe in CSV."""
    user_id = await system.add_user('=HYPERLINK("http://evil")')
    _, text = await export(system, "csv", "none")
    await system.pool.execute("DELETE FROM users WHERE id = $1", user_id)
    assert '''"'=HYPERLINK(""http://evil"")"''' in text


async def test_many_parts(system: System, many_users: int) -> None:
    """A file of several parts is complete, and its progress is told on the way."""
    job, text = await export(system, "csv", "none")
    assert len(text) > 5 * 5 * 1024 * 1024
    assert job["result"]["rows"] == many_users + len(NASTY)
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == 1 + job["result"]["rows"]
    assert job["progress_total"] == job["result"]["rows"]


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(
    ("file_format", "text"), [("csv", ",".join(COLUMNS) + "\n"), ("jsonl", "")]
)
async def test_empty_table(system: System, file_format: str, compression: str, text: str) -> None:
    """An empty table gives a valid empty file."""
    for table in ("jobs", "job_turns"):
        await system.pool.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_requested_by_fkey"
        )
    await system.pool.execute("TRUNCATE users")
    job, found = await export(system, file_format, compression)
    assert found == text
    assert job["result"]["rows"] == 0
