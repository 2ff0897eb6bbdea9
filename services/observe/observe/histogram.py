"""Durations counted in buckets of a logarithmic scale, which can be added up and stored.

A bucket's bounds are 10 % apart and its middle stands for what is in it, so that a quantile is
wrong by 5 % at most.
"""

import json
import math
from typing import Self

_GROWTH = 1.1
_LOG_GROWTH = math.log(_GROWTH)
_SMALLEST = 1_000
"""Nanoseconds; whatever is shorter counts as this long."""


class Histogram:
    """How often which duration occurred."""

    def __init__(self, buckets: dict[int, int] | None = None) -> None:
        self._buckets = buckets or {}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The histogram that `to_json` wrote."""
        return cls({int(bucket): count for bucket, count in json.loads(text).items()})

    def to_json(self) -> str:
        """Text to store."""
        return json.dumps(self._buckets)

    @property
    def count(self) -> int:
        """Number of durations."""
        return sum(self._buckets.values())

    def add(self, duration: int) -> None:
        """Count one duration in nanoseconds."""
        bucket = math.floor(math.log(max(duration, _SMALLEST)) / _LOG_GROWTH)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    def quantile(self, share: float) -> float:
        """The duration in nanoseconds that `share` of all do not exceed; 0 if there is none."""
        wanted = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            wanted -= self._buckets[bucket]
            if wanted <= 0:
                return float(_GROWTH ** (bucket + 0.5))
        return 0.0
