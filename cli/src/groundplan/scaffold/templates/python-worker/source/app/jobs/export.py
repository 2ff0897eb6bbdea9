"""Writes all rows of one kind to a file in object storage."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog

from app.errors import DATABASE_AWAY
from app.job import JobContext, JobResult, Progress

PROGRESS_S = 0.25
# COPY hands over pieces of up to 256 KiB.
PIECES_AHEAD = 4
GZIP = 16 + zlib.MAX_WBITS
ISO_8601 = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'

log = structlog.get_logger()


@dataclass(frozen=True)
class Source:
    """What can be exported: its columns as SQL, of which people typed those named `typed`."""

    table: str
    columns: dict[str, str]
    typed: frozenset[str]


SOURCES = {
    "users": Source(
        table="users u JOIN roles r ON r.id = u.role_id",
        columns={
            "id": "u.id",
            "email": "u.email",
            "name": "u.name",
            "role": "r.name",
            "is_active": "u.is_active",
            "created_at": f"to_char(u.created_at AT TIME ZONE 'UTC', '{ISO_8601}')",
        },
        typed=frozenset({"email", "name", "role"}),
    )
}


async def handle(context: JobContext) -> JobResult:
    """Stream all rows from PostgreSQL through compression into the storage, in constant memory.

    Rows and their total come from one snapshot.
    """
    # A worker that was killed in an earlier attempt could not clean up.
    await context.storage.clear_before(_folder(context), context.claim)
    key, filename, content_type = _name_file(context)
    async with context.database.connect() as connection:
        export = _Export(context, connection)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(export.read())
                await context.storage.upload(key, content_type, export.body())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
    context.progress(Progress(export.rows, export.rows))
    return JobResult(
        key=key,
        filename=filename,
        content_type=content_type,
        rows=export.rows,
        bytes=export.bytes,
    )


class _Export:
    """The rows on their way: `read` puts in what `body` gives out."""

    def __init__(self, context: JobContext, connection: "asyncpg.Connection") -> None:
        self.rows = 0
        self.bytes = 0
        self._context = context
        self._connection = connection
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(PIECES_AHEAD)

    async def read(self) -> None:
        """Read all rows; the body ends only after PostgreSQL said that all is sent."""
        params = self._context.params
        source = SOURCES[params["type"]]
        await self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        pid, total = await self._connection.fetchrow(
            f"SELECT pg_backend_pid(), count(*) FROM {source.table}"  # noqa: S608 - from this file
        )
        reporting = asyncio.create_task(_report(self._context, pid, total))
        try:
            status = await self._connection.copy_from_query(
                _query(source, params["format"]),
                output=self._pieces.put,
                **_options(params["format"]),
            )
            await self._connection.execute("COMMIT")
        finally:
            reporting.cancel()
        self.rows = int(status.removeprefix("COPY "))
        await self._pieces.put(None)

    async def body(self) -> AsyncIterator[bytes]:
        """The content of the file."""
        compressor = zlib.compressobj(level=1, wbits=GZIP)
        compressed = self._context.params["compression"] == "gzip"
        while (piece := await self._pieces.get()) is not None:
            out = compressor.compress(piece) if compressed else piece
            self.bytes += len(out)
            if out:
                yield out
        if compressed:
            last = compressor.flush()
            self.bytes += len(last)
            yield last


def _query(source: Source, file_format: str) -> str:
    if file_format == "csv":
        cells = _select(source, lambda name, sql: _csv_cell(source, name, sql))
        return f"SELECT {cells} FROM {source.table}"  # noqa: S608 - from this file
    cells = _select(source, lambda _, sql: sql)
    return f"SELECT row_to_json(t) FROM (SELECT {cells} FROM {source.table}) t"  # noqa: S608 - from this file


def _select(source: Source, cell: Callable[[str, str], str]) -> str:
    return ", ".join(f"{cell(name, sql)} AS {name}" for name, sql in source.columns.items())


def _csv_cell(source: Source, name: str, sql: str) -> str:
    """A cell of CSV, where what people typed gets an apostrophe before = + - @ tab and CR.

    Spreadsheets run cells that begin with these as formulas. JSON Lines stays exact.
    """
    if name not in source.typed:
        return f"({sql})::text"
    return f"CASE WHEN ascii({sql}) IN (9, 13, 43, 45, 61, 64) THEN '''' || {sql} ELSE {sql} END"


def _options(file_format: str) -> dict[str, Any]:
    if file_format == "csv":
        return {"format": "csv", "header": True}
    # JSON holds neither of these two characters unescaped, so COPY leaves every line as it is.
    return {"format": "csv", "delimiter": "\x01", "quote": "\x02"}


async def _report(context: JobContext, pid: int, total: int) -> None:
    """Read the progress from PostgreSQL, so that no row is parsed here."""
    context.progress(Progress(0, total))
    while True:
        await asyncio.sleep(PROGRESS_S)
        with suppress(*DATABASE_AWAY):
            row = await context.database.fetchrow("SELECT copied_rows($1)", pid)
            if row and row[0] is not None:
                context.progress(Progress(row[0], total))


def _folder(context: JobContext) -> str:
    return f"exports/{context.job_id}/"


def _name_file(context: JobContext) -> tuple[str, str, str]:
    """Key, name and content type. A key holds the claim: none overwrites another's file."""
    params = context.params
    compressed = params["compression"] == "gzip"
    suffix = ".gz" if compressed else ""
    filename = f"{params['type']}-{datetime.now(UTC):%Y%m%d-%H%M%S}.{params['format']}{suffix}"
    plain_type = {"csv": "text/csv", "jsonl": "application/jsonl"}[params["format"]]
    content_type = "application/gzip" if compressed else plain_type
    return f"{_folder(context)}{context.claim}/{filename}", filename, content_type
