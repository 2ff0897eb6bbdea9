"""What a runtime tells while it works, for the renderers to show."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a service is between "not yet" and "gone"."""

    WAITING = "waiting"
    INSTALLING = "installing"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"
    OFF = "off"


READY_STATES = frozenset({State.HEALTHY, State.COMPLETED, State.OFF})


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    kind: "state" (a service changed state), "progress" (a download or installation went on),
    "log" (a service wrote a line), "notice" (a sentence for the user), "ready" and "stopped"
    (the whole system).
    """

    kind: str
    service: str = ""
    state: State | None = None
    text: str = ""
    seconds: float | None = None
    time: float = field(default_factory=time.time)

    def as_dict(self) -> dict[str, Any]:
        """The event without empty fields, for JSON."""
        return {key: value for key, value in asdict(self).items() if value not in (None, "")}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Event":
        """The inverse of `as_dict`."""
        state = fields.get("state")
        return cls(**{**fields, "state": State(state) if state else None})


Emit = Callable[[Event], None]
