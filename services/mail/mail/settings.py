"""Everything the mail catcher reads from its environment."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Where it listens, and how much it keeps."""

    host: str = "127.0.0.1"
    port: int = 1080
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1025
    max_mails: int = 500
    """Mails that are kept; the oldest are forgotten."""
    max_bytes: int = 10 * 1024 * 1024
    """Bytes of one mail."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """HOST, PORT and SMTP_LISTEN (host:port); ValueError for a port that is no number."""
        smtp_host, _, smtp_port = os.environ.get("SMTP_LISTEN", "127.0.0.1:1025").rpartition(":")
        return cls(
            host=os.environ.get("HOST", cls.host),
            port=int(os.environ.get("PORT", cls.port)),
            smtp_host=smtp_host,
            smtp_port=int(smtp_port),
        )
