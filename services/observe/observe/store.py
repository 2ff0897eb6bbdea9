"""The SQLite file that keeps edges and recent traces. One thread writes, any number read."""

import logging
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from observe.edges import Edge, EdgeKey
from observe.histogram import Histogram
from observe.naming import operation_of, peer_of, protocol_of
from observe.span import Span

_VERSION = 1
_SCHEMA = """
CREATE TABLE traces (trace_id BLOB PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX traces_seen ON traces (seen);
CREATE TABLE spans (
    trace_id BLOB, span_id BLOB, parent_id BLOB, service TEXT, name TEXT, kind TEXT, protocol TEXT,
    operation TEXT, peer TEXT, start INTEGER, duration INTEGER, is_error INTEGER, message TEXT,
    PRIMARY KEY (trace_id, span_id)
) WITHOUT ROWID;
CREATE TABLE edges (
    caller TEXT, callee TEXT, protocol TEXT, operation TEXT,
    first_seen REAL, last_seen REAL, count INTEGER, errors INTEGER, durations TEXT,
    PRIMARY KEY (caller, callee, protocol, operation)
) WITHOUT ROWID;
"""
_MAX_SPANS_OF_TRACE = 2_000
_MAX_TIME = 2**63 - 1

log = logging.getLogger("observe.store")


class Store:
    """The file, opened for writing; a file that can't be read is moved aside."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = self._open()
        self._sizes: dict[bytes, int] = {}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def move_aside(self) -> None:
        """Begin anew after the file turned out to be damaged."""
        self._connection.close()
        self._set_aside()
        self._connection = self._connect()
        self._sizes.clear()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within is written together, or not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            self._sizes.clear()
            raise
        self._connection.commit()

    def edges(self) -> dict[EdgeKey, Edge]:
        """All edges."""
        rows = self._connection.execute("SELECT * FROM edges")
        return {EdgeKey(*row[:4]): _edge(*row[4:]) for row in rows}

    def put_edges(self, edges: Iterable[tuple[EdgeKey, Edge]]) -> None:
        """Write these edges over what is there."""
        rows = (
            (
                *asdict(key).values(),
                edge.first_seen,
                edge.last_seen,
                edge.count,
                edge.errors,
                edge.durations.to_json(),
            )
            for key, edge in edges
        )
        self._connection.executemany("REPLACE INTO edges VALUES (?,?,?,?,?,?,?,?,?)", rows)

    def clear_edges(self) -> None:
        """Forget all edges."""
        self._connection.execute("DELETE FROM edges")

    def add_span(self, span: Span, now: float) -> bool:
        """Keep a span; False if it was there already. Of a huge trace only the first are kept."""
        size = self._size(span.trace_id, now)
        if size >= _MAX_SPANS_OF_TRACE:
            return True
        protocol = protocol_of(span)
        row = (
            span.trace_id,
            span.span_id,
            span.parent_id,
            span.service,
            span.name,
            span.kind.name.lower(),
            protocol,
            operation_of(span, protocol) if protocol else span.name,
            peer_of(span),
            min(span.start, _MAX_TIME),
            min(span.duration, _MAX_TIME),
            span.is_error,
            span.message,
        )
        statement = "INSERT OR IGNORE INTO spans VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
        is_new = self._connection.execute(statement, row).rowcount == 1
        self._sizes[span.trace_id] = size + is_new
        return is_new

    def prune(self, max_traces: int, max_age: float, now: float) -> None:
        """Forget the oldest traces beyond `max_traces`, and those older than `max_age` seconds."""
        statement = (
            "SELECT trace_id FROM traces WHERE seen < ? UNION "
            "SELECT * FROM (SELECT trace_id FROM traces ORDER BY seen DESC LIMIT -1 OFFSET ?)"
        )
        old = self._connection.execute(statement, (now - max_age, max_traces)).fetchall()
        for table in ("spans", "traces"):
            self._connection.executemany(f"DELETE FROM {table} WHERE trace_id = ?", old)  # noqa: S608 - our own two names
        for (trace_id,) in old:
            self._sizes.pop(trace_id, None)

    def _size(self, trace_id: bytes, now: float) -> int:
        if trace_id not in self._sizes:
            self._connection.execute("INSERT OR IGNORE INTO traces VALUES (?,?)", (trace_id, now))
            count = "SELECT count(*) FROM spans WHERE trace_id = ?"
            self._sizes[trace_id] = self._connection.execute(count, (trace_id,)).fetchone()[0]
        return self._sizes[trace_id]

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            log.warning("%s can't be read (%s): it is moved aside.", self.file, error)
            self._set_aside()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -4000")
            _check(connection)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _set_aside(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            file = self.file.with_name(self.file.name + suffix)
            if file.exists():
                file.replace(file.with_name(f"{file.name}.damaged"))


def _edge(first_seen: float, last_seen: float, count: int, errors: int, durations: str) -> Edge:
    return Edge(first_seen, last_seen, count, errors, Histogram.from_json(durations))


def _check(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file; raises DatabaseError for a damaged or a foreign one."""
    if connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("the file is damaged")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    elif version != _VERSION:
        raise sqlite3.DatabaseError(f"version {version} of the file is not known")


class Reader:
    """Looks traces up in the file; opens it for each question, since the writer may replace it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def traces(self, limit: int) -> list[dict[str, Any]]:
        """The newest traces, the newest first; times in seconds."""
        rows = self._ask(
            "SELECT t.trace_id, t.seen, count(*), sum(s.is_error), min(s.start),"
            " max(s.start + s.duration) FROM traces t JOIN spans s USING (trace_id)"
            " GROUP BY t.trace_id ORDER BY t.seen DESC LIMIT ?",
            (limit,),
        )
        return [
            {
                "trace_id": row[0].hex(),
                "start": row[4] / 1e9,
                "duration": (row[5] - row[4]) / 1e9,
                "spans": row[2],
                "errors": row[3],
                **self._root(row[0]),
            }
            for row in rows
        ]

    def trace(self, trace_id: bytes) -> list[dict[str, Any]]:
        """The spans of a trace, in the order of their start; times in seconds."""
        rows = self._ask("SELECT * FROM spans WHERE trace_id = ? ORDER BY start", (trace_id,))
        return [_span_as_dict(row) for row in rows]

    def last(self, operation: str) -> bytes | None:
        """The newest trace with a span of that operation or name; `*` stands for any text."""
        pattern = re.sub(r"([\\%_])", r"\\\1", operation).replace("*", "%")
        rows = self._ask(
            "SELECT trace_id FROM traces t WHERE EXISTS (SELECT 1 FROM spans s"
            " WHERE s.trace_id = t.trace_id"
            r" AND (s.operation LIKE ?1 ESCAPE '\' OR s.name LIKE ?1 ESCAPE '\'))"
            " ORDER BY seen DESC LIMIT 1",
            (pattern,),
        )
        return rows[0][0] if rows else None

    def _root(self, trace_id: bytes) -> dict[str, str]:
        statement = (
            "SELECT service, operation FROM spans WHERE trace_id = ?"
            " ORDER BY length(parent_id), start LIMIT 1"
        )
        ((service, operation),) = self._ask(statement, (trace_id,))
        return {"service": service, "operation": operation}

    def _ask(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()


def _span_as_dict(row: tuple[Any, ...]) -> dict[str, Any]:
    names = ("service", "name", "kind", "protocol", "operation", "peer")
    return {
        "span_id": row[1].hex(),
        "parent_id": row[2].hex(),
        **dict(zip(names, row[3:9], strict=True)),
        "start": row[9] / 1e9,
        "duration": row[10] / 1e9,
        "is_error": bool(row[11]),
        "message": row[12],
    }
