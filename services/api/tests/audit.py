"""What the audit log says, read behind the API's back."""

import json
from typing import Any
from uuid import UUID

import asyncpg


async def events_of(connection: "asyncpg.Connection", user_id: UUID) -> list[dict[str, Any]]:
    """The events that a user did or that were done to them, oldest first."""
    rows = await connection.fetch(
        "SELECT * FROM audit_events WHERE actor_id = $1 OR subject_id = $1 ORDER BY id", user_id
    )
    return [{**row, "details": json.loads(row["details"])} for row in rows]


async def names_of(connection: "asyncpg.Connection", user_id: UUID) -> list[str]:
    """Their names."""
    return [event["event"] for event in await events_of(connection, user_id)]
