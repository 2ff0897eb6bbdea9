"""What runs, as `status` tells it."""

from dataclasses import asdict, dataclass, field
from typing import Any

from groundplan.runtime.events import READY_STATES


@dataclass
class ServiceState:
    """One service as `status` shows it."""

    name: str
    state: str
    url: str | None = None
    pid: int | None = None
    restarts: int = 0
    why: str = ""
    seconds: float | None = None
    """How long the start took."""
    report: str = ""
    """What its health check printed last."""
    is_tool: bool = False
    ports: dict[str, int] = field(default_factory=dict)
    """Each port of the Compose files, with the port of this machine that stands for it."""


@dataclass
class SystemState:
    """The whole system as `status` shows it."""

    runtime: str = "native"
    supervisor: int | None = None
    """The process that keeps the services running; the Docker engine needs none."""
    started: float = 0.0
    services: list[ServiceState] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=dict)
    """Each variable that moves a port, with the port in use, e.g. {"API_PORT": "8001"}."""

    @property
    def ready(self) -> bool:
        """True if every service that was asked for is up."""
        return bool(self.services) and all(
            service.state in READY_STATES for service in self.services
        )

    @property
    def is_running(self) -> bool:
        """True if anything runs."""
        return self.supervisor is not None or any(service.pid for service in self.services)

    def as_dict(self) -> dict[str, Any]:
        """The state as `status --json` prints it."""
        return {"ready": self.ready, **asdict(self)}
