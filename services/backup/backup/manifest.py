"""What is written down about a backup when it is made, and held against what is restored."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from backup.errors import BackupError

FORMAT = 1
FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """One backup. `facts` depend on its kind: what is in the database, where its WAL begins."""

    id: str
    kind: str
    system: str
    time: str
    """ISO 8601 in UTC: the moment that the backup shows, or, of a base backup, its begin."""
    seconds: float
    file: str
    size: int
    """Bytes of the data, as they were before they were compressed."""
    sha256: str
    snapshot: str
    facts: dict[str, Any]
    format: int = FORMAT

    @property
    def at(self) -> datetime:
        """`time` as a datetime."""
        return datetime.fromisoformat(self.time)

    @property
    def rows(self) -> int | None:
        """Rows of all tables, where it is a dump."""
        tables = self.facts.get("tables")
        return None if tables is None else sum(table["rows"] for table in tables.values())

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """As it was stored; raises BackupError for what is none, or is of a later version."""
        try:
            fields = json.loads(content)
            if fields["format"] == FORMAT:
                return cls(**fields)
            why = f"Its format is {fields['format']}, and this version reads {FORMAT}."
        except (ValueError, TypeError, KeyError) as error:
            why = f"Its manifest can't be read: {error!r}."
        raise BackupError("This backup can't be used.", why)
