"""Keyset pagination: a cursor holds the sort key and the id of the last row of a page."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query

from app.core.errors import InvalidError

Limit = Annotated[int, Query(ge=1, le=200, description="Rows a page")]
CursorText = Annotated[
    str | None, Query(max_length=1000, description="`next_cursor` of the page before")
]


@dataclass(frozen=True)
class Cursor:
    """Place after one row in the order `sort`; `value` is that row's sort key."""

    sort: str
    value: str
    id: UUID

    def encode(self) -> str:
        """Make it opaque for clients."""
        text = json.dumps([self.sort, self.value, str(self.id)], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, sort: str) -> Self:
        """Read a client's cursor; raises InvalidError (422) unless it was made for `sort`."""
        try:
            padded = text + "=" * (-len(text) % 4)
            made_for, value, row_id = json.loads(urlsafe_b64decode(padded.encode("ascii")))
            cursor = cls(str(made_for), str(value), UUID(row_id))
            if cursor.sort.lstrip("-") == "created_at":
                datetime.fromisoformat(cursor.value)
            value.encode()
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidError("The cursor is not valid.", "query.cursor") from error
        if cursor.sort != sort or "\x00" in cursor.value:
            raise InvalidError("The cursor belongs to another list or order.", "query.cursor")
        return cursor
