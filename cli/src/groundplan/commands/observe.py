"""`gp observe`: who calls whom, live."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from groundplan.model import flows as flows_module
from groundplan.observe.client import Edge, Observer, connect
from groundplan.observe.compare import is_declared
from groundplan.observe.waterfall import duration

_INTERVAL = 1.0


@dataclass(frozen=True)
class Row:
    """An edge as it is shown."""

    edge: Edge
    rate: float
    """Calls in a second, since the last look."""
    is_declared: bool

    def as_dict(self) -> dict[str, object]:
        """The row for machines."""
        return {**self.edge.as_dict(), "rate": self.rate, "declared": self.is_declared}


class Watch:
    """Looks at the observer again and again."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._flows = flows_module.load(observer.workspace.root)
        self._counts: dict[tuple[str, str, str, str], int] = {}
        self._looked: float | None = None

    def look(self) -> list[Row]:
        """All edges as they are now."""
        edges, now = self._observer.edges(), time.monotonic()
        seconds = now - self._looked if self._looked else None
        rows = [
            Row(edge, self._rate(edge, seconds), is_declared(edge, self._flows)) for edge in edges
        ]
        self._looked = now
        self._counts = {_key(edge): edge.count for edge in edges}
        return rows

    def _rate(self, edge: Edge, seconds: float | None) -> float:
        if seconds is None:
            return 0.0
        return max(0, edge.count - self._counts.get(_key(edge), 0)) / seconds


def run(once: bool, as_json: bool, reset: bool) -> None:
    """Show all edges, again every second unless `once`; `reset` forgets those seen so far."""
    observer = connect()
    if reset:
        observer.forget()
    watch = Watch(observer)
    show = _show_json if as_json else _show_table
    if once or as_json or not sys.stdout.isatty():
        show(watch.look())
        if not once:
            _repeat(lambda: show(_changed(watch.look())))
    else:
        with Live(auto_refresh=False, screen=False) as live:
            live.update(_table(watch.look()), refresh=True)
            _repeat(lambda: live.update(_table(watch.look()), refresh=True))


def _repeat(show: Callable[[], None]) -> None:
    try:
        while True:
            sys.stdout.flush()
            time.sleep(_INTERVAL)
            show()
    except KeyboardInterrupt:
        return


def _changed(rows: Iterable[Row]) -> list[Row]:
    """What a log wants to hear of: edges that were just used."""
    return [row for row in rows if row.rate]


def _show_json(rows: Sequence[Row]) -> None:
    print(json.dumps({"edges": [row.as_dict() for row in rows]}))


def _show_table(rows: Sequence[Row]) -> None:
    if rows:
        Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(_table(rows))


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("caller", "callee", "protocol"):
        table.add_column(title, no_wrap=True)
    table.add_column("operation", overflow="ellipsis", no_wrap=True)
    for title in ("calls", "/s", "errors", "p50", "p99"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        edge = row.edge
        table.add_row(
            Text(edge.caller),
            Text(edge.callee),
            Text(edge.protocol),
            Text(edge.operation),
            str(edge.count),
            f"{row.rate:.1f}",
            Text(str(edge.errors or ""), style="red"),
            duration(edge.p50),
            duration(edge.p99),
            "" if row.is_declared else Text("undeclared", style="red"),
        )
    return table


def _key(edge: Edge) -> tuple[str, str, str, str]:
    return (edge.caller, edge.callee, edge.protocol, edge.operation)
