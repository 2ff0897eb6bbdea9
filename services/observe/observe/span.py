"""A span, as far as the observer needs it."""

from dataclasses import dataclass
from enum import IntEnum

Attributes = dict[str, str | int]


class Kind(IntEnum):
    """Which side of a call a span is; the numbers are OTLP's."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work of one service; times in nanoseconds since 1970."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    """Empty for the root of a trace."""
    service: str
    name: str
    kind: Kind
    start: int
    end: int
    is_error: bool
    message: str
    """Why it failed, for people."""
    attributes: Attributes

    @property
    def duration(self) -> int:
        """Nanoseconds; 0 where a clock went backwards."""
        return max(0, self.end - self.start)

    def text(self, *names: str) -> str:
        """The first of these attributes that is there, as text; else an empty one."""
        for name in names:
            if (value := self.attributes.get(name)) is not None:
                return str(value)
        return ""
