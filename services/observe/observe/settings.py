"""Everything the observer reads from its environment."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where the observer listens, where it keeps its data, and how much of it."""

    host: str = "127.0.0.1"
    port: int = 4318
    data: Path = Path("/data")
    max_traces: int = 1000
    max_age: float = 24 * 3600.0
    """Seconds after which a trace is forgotten."""
    max_body: int = 4 * 1024 * 1024
    """Bytes of one request, also once it is decompressed."""
    max_queued: int = 20_000
    """Spans that were accepted and are not written yet."""
    client_patience: float = 3.0
    """Seconds for which the call of a client waits for the span of the server that it called."""
    server_patience: float = 60.0
    """Seconds for which the span of a server waits for the client that called it."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """HOST, PORT and OBSERVE_DATA; raises ValueError for a PORT that is no number."""
        return cls(
            host=os.environ.get("HOST", cls.host),
            port=int(os.environ.get("PORT", cls.port)),
            data=Path(os.environ.get("OBSERVE_DATA", cls.data)),
        )
