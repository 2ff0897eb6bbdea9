"""The one thread that writes: takes accepted spans, counts the calls, keeps the traces."""

import logging
import queue
import sqlite3
import threading
import time
from typing import Any

from observe.edges import Edges
from observe.settings import Settings
from observe.span import Span
from observe.store import Store

_IDLE = 0.5
_BATCH = 2_000
_PRUNE_EVERY = 5.0

log = logging.getLogger("observe.recorder")


class Recorder:
    """Runs from `start` to `stop`; the other methods may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.data / "observe.db")
        self._edges = Edges(time.time, settings.client_patience, settings.server_patience)
        self._edges.by_key = self._store.edges()
        self._queue: queue.SimpleQueue[list[Span]] = queue.SimpleQueue()
        self._accepted = 0  # counted by those who put
        self._taken = 0  # counted by the thread
        self._lock = threading.Lock()
        """Guards the edges and the store."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._next_prune = 0.0

    @property
    def is_alive(self) -> bool:
        """False once the thread has died."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was accepted, and end."""
        self._stopping.set()
        self._thread.join()
        with self._lock:
            self._edges.settle_all()
            self._write([])
            self._store.close()

    def put(self, spans: list[Span]) -> bool:
        """Accept spans; False if too many wait already."""
        if self._accepted - self._taken + len(spans) > self._settings.max_queued:
            return False
        self._accepted += len(spans)
        self._queue.put(spans)
        return True

    def clear(self) -> None:
        """Forget all edges."""
        with self._lock, self._store.transaction():
            self._edges.clear()
            self._store.clear_edges()

    def edges(self, since: float) -> list[dict[str, Any]]:
        """The edges with a call since then; durations in seconds, times in seconds since 1970."""
        with self._lock:
            return [
                {
                    "caller": key.caller,
                    "callee": key.callee,
                    "protocol": key.protocol,
                    "operation": key.operation,
                    "count": edge.count,
                    "errors": edge.errors,
                    "p50": edge.durations.quantile(0.5) / 1e9,
                    "p99": edge.durations.quantile(0.99) / 1e9,
                    "first_seen": edge.first_seen,
                    "last_seen": edge.last_seen,
                }
                for key, edge in self._edges.by_key.items()
                if edge.last_seen >= since
            ]

    def _run(self) -> None:
        while not (self._stopping.is_set() and self._queue.empty()):
            spans = self._take()
            with self._lock:
                self._record(spans)

    def _take(self) -> list[Span]:
        """Wait a moment for spans, then take what else is there, up to a batch."""
        spans: list[Span] = []
        try:
            spans += self._queue.get(timeout=_IDLE)
            while len(spans) < _BATCH:
                spans += self._queue.get_nowait()
        except queue.Empty:
            pass
        return spans

    def _record(self, spans: list[Span]) -> None:
        """Write a batch; what can't be written is lost, since the next may be."""
        try:
            self._write(spans)
        except sqlite3.OperationalError as error:
            log.warning("%d spans are lost: %s.", len(spans), error)
        except sqlite3.DatabaseError as error:
            log.warning("The database is damaged (%s): it is moved aside.", error)
            self._store.move_aside()
        finally:
            self._taken += len(spans)

    def _write(self, spans: list[Span]) -> None:
        now = time.time()
        with self._store.transaction():
            for span in spans:
                if self._store.add_span(span, now):
                    self._edges.add(span)
            self._edges.settle()
            changed = [(key, self._edges.by_key[key]) for key in self._edges.changed]
            self._store.put_edges(changed)
            if now >= self._next_prune:
                self._next_prune = now + _PRUNE_EVERY
                self._store.prune(self._settings.max_traces, self._settings.max_age, now)
        self._edges.changed.clear()
