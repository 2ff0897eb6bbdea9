"""Spans of SQL statements: what they do to which tables, never their values."""

import re
from functools import lru_cache
from typing import Any

from opentelemetry.trace import SpanKind
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import ExceptionContext

from app.telemetry.tracing import begin_call

CALL = "telemetry.call"
STATEMENTS_KEPT = 512

TABLE = r'(?:\w+\.)?"?(\w+)"?'
WRITE = re.compile(
    rf"\b(INSERT)\s+INTO\s+{TABLE}|\b(UPDATE)\s+{TABLE}\s+SET\b|\b(DELETE)\s+FROM\s+{TABLE}",
    re.IGNORECASE,
)
READ_TABLE = re.compile(rf"\bFROM\s+{TABLE}", re.IGNORECASE)


@lru_cache(STATEMENTS_KEPT)
def describe(statement: str) -> dict[str, str]:
    """What a statement does, as attributes: `SELECT users`, `INSERT outbox INSERT jobs`."""
    writes = [tuple(filter(None, match)) for match in WRITE.findall(statement)]
    if writes:
        operation, table = writes[0][0].upper(), writes[0][1]
        summary = " ".join(f"{verb.upper()} {name}" for verb, name in writes)
    else:
        operation = statement.split(maxsplit=1)[0].upper()
        found = READ_TABLE.search(statement)
        table = found[1] if found else ""
        summary = f"{operation} {table}".strip()
    attributes = {"db.operation.name": operation, "db.query.summary": summary}
    return attributes | ({"db.collection.name": table} if table else {})


def trace_statements(engine: Engine, host: str, port: int) -> None:
    """Record each statement of the engine as a call; transactions as such are not recorded."""
    peer: dict[str, str | int] = {
        "db.system.name": "postgresql",
        "server.address": host,
        "server.port": port,
    }

    def begin(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        attributes = describe(statement)
        connection.info[CALL] = begin_call(
            SpanKind.CLIENT, attributes["db.query.summary"], peer | attributes
        )

    def end(connection: Connection, *_: object) -> None:
        _end(connection, None)

    def fail(context: ExceptionContext) -> None:
        if context.connection is not None:
            _end(context.connection, context.original_exception)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


def _end(connection: Connection, error: BaseException | None) -> None:
    info: dict[Any, Any] = connection.info
    if call := info.pop(CALL, None):
        call.end(error)
