"""What is due. Times of the last successes come from the status, so a restart skips nothing."""

from datetime import datetime, timedelta

from backup.settings import Every

ORDER = ("dump", "base", "redis", "storage", "drill")
# A system that has just started has better things to do.
SETTLE = timedelta(minutes=1)
_FIRST_RETRY = timedelta(minutes=1)
_LAST_RETRY = timedelta(hours=1)


class Schedule:
    """Knows when each kind is due again."""

    def __init__(self, every: Every, started: datetime) -> None:
        self._every = every
        self._started = started
        self._failures: dict[str, int] = {}
        self._retry_at: dict[str, datetime] = {}

    def next(self, last: dict[str, datetime | None], now: datetime) -> str | None:
        """The kind that is to be made now, if any."""
        return next((kind for kind in ORDER if self._is_due(kind, last, now)), None)

    def _is_due(self, kind: str, last: dict[str, datetime | None], now: datetime) -> bool:
        if kind == "drill" and last["dump"] is None:
            return False
        if now < self._retry_at.get(kind, now):
            return False
        latest = last[kind]
        if latest is None:
            return now >= self._started + self._every.first
        every: timedelta = getattr(self._every, kind)
        # A time in the future is that of a clock that was wrong.
        is_old = now >= latest + every or latest > now + every
        return is_old and now >= self._started + min(SETTLE, self._every.first)

    def succeeded(self, kind: str) -> None:
        """It was made."""
        self._failures.pop(kind, None)
        self._retry_at.pop(kind, None)

    def failed(self, kind: str, now: datetime) -> None:
        """It could not be made: again after a minute, then after twice the time, up to an hour."""
        count = self._failures[kind] = self._failures.get(kind, 0) + 1
        delay = min(_FIRST_RETRY * 2 ** min(count - 1, 10), _LAST_RETRY)
        self._retry_at[kind] = now + delay
