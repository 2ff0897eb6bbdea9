"""What a rotation is made of: pure data. Titles hold no secret and are shown; nothing else is."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Write:
    """Change files of secrets in place."""

    values: Mapping[str, str] = field(repr=False)

    @property
    def title(self) -> str:
        """The step for people."""
        return f"write {', '.join(self.values)}"


@dataclass(frozen=True)
class Ask:
    """Run a program in a server's container. Secrets go through `text`, its standard input."""

    service: str
    purpose: str
    command: tuple[str, ...]
    text: str = field(default="", repr=False)

    @property
    def title(self) -> str:
        """The step for people."""
        return f"{self.service}: {self.purpose}"


@dataclass(frozen=True)
class Run:
    """Run a service that ends by itself, so that it reads the new values."""

    service: str

    @property
    def title(self) -> str:
        """The step for people."""
        return f"run {self.service}"


@dataclass(frozen=True)
class Renew:
    """Let a service read the new values: its replicas are replaced one by one, or it is restarted."""

    service: str

    @property
    def title(self) -> str:
        """The step for people."""
        return f"renew {self.service}"


@dataclass(frozen=True)
class Overlap:
    """Wait until everything that the old key has signed has ended."""

    seconds: float

    @property
    def title(self) -> str:
        """The step for people."""
        return f"keep the old key for {self.seconds / 60:.0f} minutes"


Step = Write | Ask | Run | Renew | Overlap
