"""Shows a runtime's events: live on a terminal, as plain lines elsewhere, or as JSON lines."""

import json
import sys
import time
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from groundplan.runtime.events import Event, State

COLOURS = (
    "cyan",
    "magenta",
    "green",
    "yellow",
    "blue",
    "bright_red",
    "bright_cyan",
    "bright_magenta",
)
_STYLES = {
    State.HEALTHY: "green",
    State.COMPLETED: "green",
    State.FAILED: "bold red",
    State.UNHEALTHY: "red",
    State.RESTARTING: "yellow",
    State.STOPPED: "dim",
    State.WAITING: "dim",
    State.OFF: "dim",
}
_PROGRESS_EVERY = 2.0


class Renderer(Protocol):
    """Gets every event of a run, between `open` and `close`."""

    def show(self, event: Event) -> None:
        """Show one event."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def renderer(names: list[str], as_json: bool, with_logs: bool) -> Renderer:
    """The renderer that suits standard error; `names` are the services that will be shown."""
    if as_json:
        return JsonRenderer()
    if sys.stderr.isatty():
        return TerminalRenderer(names, with_logs)
    return PlainRenderer(names, with_logs)


def log_line(name: str, line: str, names: list[str]) -> Text:
    """One line of a merged log: the service's name in its colour, then what it wrote."""
    width = max(map(len, names), default=0)
    colour = COLOURS[names.index(name) % len(COLOURS)] if name in names else "white"
    text = Text(f"{name:<{width}} │ ", style=colour)
    text.append_text(Text.from_ansi(line, style="default"))
    return text


class JsonRenderer:
    """One JSON object a line on standard output."""

    def show(self, event: Event) -> None:
        """Print the event; logs are left to the services' files."""
        if event.kind == "log":
            return
        print(json.dumps(event.as_dict()), flush=True)

    def close(self) -> None:
        """Nothing to leave."""


class PlainRenderer:
    """One line an event, for logs and pipes."""

    def __init__(self, names: list[str], with_logs: bool) -> None:
        self._names = names
        self._with_logs = with_logs
        self._ready = False
        self._last_progress: dict[str, float] = {}
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, event: Event) -> None:
        """Print the event as a line."""
        width = max(map(len, self._names), default=0)
        match event.kind:
            case "state" if event.state not in (None, State.WAITING):
                seconds = f" ({event.seconds:.1f} s)" if event.seconds is not None else ""
                self._line(f"{event.service:<{width}}  {event.state}{seconds} {event.text}")
            case "progress" if self._is_due(event):
                self._line(f"{event.service:<{width}}  {event.text}")
            case "log" if self._with_logs and self._ready:
                self._console.print(log_line(event.service, event.text, self._names))
            case "notice":
                self._line(event.text)
            case "ready":
                self._ready = True
                in_time = "" if event.seconds is None else f"ready in {event.seconds:.1f} s: "
                self._line(in_time + event.text)
            case "stopped":
                self._line("Everything is stopped.")

    def close(self) -> None:
        """Nothing to leave."""

    def _line(self, text: str) -> None:
        self._console.print(Text(text.rstrip()))

    def _is_due(self, event: Event) -> bool:
        now = time.monotonic()
        if (
            event.seconds is None
            and now - self._last_progress.get(event.service, 0.0) < _PROGRESS_EVERY
        ):
            return False
        self._last_progress[event.service] = now
        return True


class TerminalRenderer:
    """A live table of the services until all are ready, then their merged log."""

    def __init__(self, names: list[str], with_logs: bool) -> None:
        self._names = names
        self._with_logs = with_logs
        self._rows = {name: Event("state", name, State.WAITING) for name in names}
        self._progress: dict[str, str] = {}
        self._since = dict.fromkeys(names, time.monotonic())
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = Live(
            self, console=self._console, refresh_per_second=8, transient=True
        )
        self._live.start()

    def __rich__(self) -> Table:
        """The table as it is now; called at each refresh."""
        table = Table.grid(padding=(0, 2))
        for name, event in self._rows.items():
            state = event.state or State.WAITING
            busy = state in (State.INSTALLING, State.STARTING, State.RESTARTING, State.STOPPING)
            mark = (
                Spinner("dots", style="cyan")
                if busy
                else Text("●", style=_STYLES.get(state, "dim"))
            )
            seconds = (
                event.seconds if event.seconds is not None else time.monotonic() - self._since[name]
            )
            shown = f"{seconds:5.1f} s" if busy or event.seconds is not None else ""
            detail = (
                self._progress.get(name, event.text) if state == State.INSTALLING else event.text
            )
            table.add_row(
                mark,
                name,
                Text(state, style=_STYLES.get(state, "")),
                shown,
                Text(detail, style="dim"),
            )
        return table

    def show(self, event: Event) -> None:
        """Update the table, or print a line."""
        match event.kind:
            case "state":
                self._rows[event.service] = event
                self._since[event.service] = time.monotonic()
                if self._live is None and event.state not in (
                    State.STARTING,
                    State.HEALTHY,
                    State.STOPPED,
                ):
                    self._console.print(
                        Text(f"{event.service} is {event.state}. {event.text}", style="yellow")
                    )
            case "progress":
                self._progress[event.service] = event.text
            case "notice":
                self._console.print(event.text)
            case "ready":
                self._finish(event)
            case "stopped":
                self.close()
                self._console.print("Everything is stopped.")
            case "log" if self._live is None and self._with_logs:
                self._console.print(
                    log_line(event.service, event.text, self._names), soft_wrap=True
                )

    def close(self) -> None:
        """Take the table away."""
        if self._live:
            self._live.stop()
            self._live = None

    def _finish(self, event: Event) -> None:
        self.close()
        if event.seconds is None:
            self._console.print(event.text)
            return
        self._console.print(self)
        self._console.print(
            f"\n[green]Ready in {event.seconds:.1f} s[/green] [dim]({event.text})[/dim]"
        )
