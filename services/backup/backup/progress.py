"""What is under way, on standard error: lines for people, or JSON for the tool."""

import json
import logging
import time
from collections.abc import Iterable, Iterator

log = logging.getLogger("backup")

_INTERVAL_S = 0.5


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event = {"event": "progress", "text": record.getMessage()}
        return json.dumps(event | getattr(record, "amounts", {}))


def configure(as_json: bool) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(levelname)s %(message)s")
    handler.setFormatter(_JsonFormatter() if as_json else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def progress(text: str, done: int | None = None, total: int | None = None) -> None:
    """Tell what is under way, and how much of it is done."""
    amounts = {"done": done, "total": total}
    known = {name: amount for name, amount in amounts.items() if amount is not None}
    # A person who reads the log wants the beginnings, not every half second.
    level = logging.INFO if not done else logging.DEBUG
    if level >= logging.INFO or _is_for_the_tool():
        log.info("%s", text, extra={"amounts": known})


def counted(chunks: Iterable[bytes], text: str, total: int | None = None) -> Iterator[bytes]:
    """Pass `chunks` on and tell about twice a second how many bytes they were."""
    progress(text, 0, total)
    done, told = 0, time.monotonic()
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if time.monotonic() - told >= _INTERVAL_S:
            told = time.monotonic()
            progress(text, done, total)


def _is_for_the_tool() -> bool:
    return any(isinstance(each.formatter, _JsonFormatter) for each in logging.getLogger().handlers)
