"""How old the backups are, as the health check of the service that makes them reports it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from groundplan.runtime.state import ServiceState

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class Age:
    """When one kind of backup, or a drill, was made last."""

    kind: str
    last: str | None
    """ISO 8601; None before the first."""
    stale_at: str | None
    """When it counts as too old; None means not yet."""
    error: str
    """Why the last try failed; empty where it did not."""

    def is_stale(self, now: datetime) -> bool:
        """True if it is too old, or failed."""
        too_old = self.stale_at is not None and datetime.fromisoformat(self.stale_at) <= now
        return too_old or bool(self.error)

    def text(self, now: datetime) -> str:
        """For people: "dump 3 h ago"."""
        overdue = " (overdue)" if self.is_stale(now) else ""
        if self.last is None:
            return f"{self.kind} none yet{overdue}"
        seconds = max((now - datetime.fromisoformat(self.last)).total_seconds(), 0)
        return f"{self.kind} {_rough(seconds)} ago{overdue}"

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """The age for JSON."""
        return {**asdict(self), "stale": self.is_stale(now)}


def ages(services: Iterable[ServiceState]) -> list[Age]:
    """What the services report; empty where none makes backups."""
    return [age for service in services for age in _reported(service.report)]


def now() -> datetime:
    """The time that ages are told by."""
    return datetime.now(UTC)


def _reported(report: str) -> Iterator[Age]:
    """A health check may print anything: what is no report of backups is none."""
    try:
        told = json.loads(report)["backups"]
        for kind, item in told.items():
            for moment in filter(None, (item["last"], item["stale_at"])):
                datetime.fromisoformat(moment)
            yield Age(kind, item["last"], item["stale_at"], item.get("error") or "")
    except (ValueError, TypeError, KeyError, AttributeError):
        return


def _rough(seconds: float) -> str:
    size, unit = next((it for it in _UNITS if seconds >= it[0]), _UNITS[-1])
    return f"{seconds / size:.0f} {unit}"
