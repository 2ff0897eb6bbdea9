"""Leaving without failing a request: what happens when the process is told to stop.

| moment        | /readyz | requests                              | event streams            |
| ------------- | ------- | ------------------------------------- | ------------------------ |
| first signal  | 503     | served, each with `Connection: close` | end: clients come back   |
| DRAIN_SECONDS | none    | those under way are ended             | none                     |
| second signal | none    | as after DRAIN_SECONDS                | none                     |

Whoever balances the load sees the 503 and sends requests elsewhere before the server stops.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType


class Drain:
    """Puts DRAIN_SECONDS between the signal and the server's own handler for it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.started = False

    @contextmanager
    def at_signal(self, end_streams: Callable[[], None]) -> Iterator[None]:
        """Handle SIGTERM and SIGINT so, as long as this lasts.

        The server waits for all responses to end before it does, which streams never do.
        """
        loop = asyncio.get_running_loop()
        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def handle(number: int, frame: FrameType | None) -> None:
            handler = previous[signal.Signals(number)]
            stop = partial(handler, number, frame) if callable(handler) else lambda: None
            loop.call_soon_threadsafe(self._begin, end_streams, stop)

        for number in previous:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _begin(self, end_streams: Callable[[], None], stop: Callable[[], object]) -> None:
        wait = 0 if self.started else self._seconds
        self.started = True
        end_streams()
        asyncio.get_running_loop().call_later(wait, stop)
