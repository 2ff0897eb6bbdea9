"""What happened in a drill, in order: calls, their answers, and faults; one line of JSON each."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Data = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One line of the history."""

    at: float
    """Seconds since the drill began."""
    kind: Literal["call", "answer", "fault"]
    name: str
    call: int = 0
    """Joins a call and its answer."""
    data: Data = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A call with its answer; without one, nobody knows whether it took effect."""

    name: str
    asked: Data
    began: float
    ended: float | None = None
    status: int | None = None
    answer: Data = field(default_factory=dict)

    @property
    def is_acknowledged(self) -> bool:
        """True if the answer said that it was done."""
        return self.status is not None and 200 <= self.status < 300


class History:
    """Events of one drill, written to `file` as they come."""

    def __init__(self, file: Path | None = None) -> None:
        self.events: list[Event] = []
        self._began = time.monotonic()
        self._calls = 0
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
        self._stream = file.open("w", buffering=1) if file else None

    @property
    def now(self) -> float:
        """Seconds since the drill began."""
        return round(time.monotonic() - self._began, 4)

    def call(self, name: str, **asked: Any) -> int:
        """Note that something is asked; returns the number that its answer needs."""
        self._calls += 1
        self._add("call", name, self._calls, asked)
        return self._calls

    def answer(self, call: int, status: int | None, **told: Any) -> None:
        """Note the answer; `status` is None where the connection broke."""
        self._add("answer", "", call, {"status": status, **told})

    def fault(self, name: str, **what: Any) -> None:
        """Note a fault, or its end."""
        self._add("fault", name, 0, what)

    def calls(self, name: str = "") -> Iterator[Call]:
        """All calls, or those of that name, with their answers."""
        answers = {event.call: event for event in self.events if event.kind == "answer"}
        for event in self.events:
            if event.kind == "call" and name in ("", event.name):
                answer = answers.get(event.call)
                told = dict(answer.data) if answer else {}
                status = told.pop("status", None)
                ended = answer.at if answer else None
                yield Call(event.name, event.data, event.at, ended, status, told)

    def close(self) -> None:
        """End the file."""
        if self._stream:
            self._stream.close()

    def _add(
        self, kind: Literal["call", "answer", "fault"], name: str, call: int, data: Data
    ) -> None:
        event = Event(self.now, kind, name, call, data)
        self.events.append(event)
        if self._stream:
            self._stream.write(json.dumps(asdict(event)) + "\n")
