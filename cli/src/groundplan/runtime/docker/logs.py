"""What the containers wrote."""

import re
from collections.abc import Sequence

from groundplan.runtime.protocol import Line

# "api-1  | 2026-11-23T05:17:28.528451337Z text": the container's name without the project's. Compose
# begins it with the code that clears a terminal's line.
_LINE = re.compile(
    r"(?:\x1b\[\d*K)*(?P<service>\S+?)(-\d+)?\s+\| (?P<time>\d{4}-\S+Z) ?(?P<text>.*)"
)


def words(names: Sequence[str], follow: bool, lines: int) -> list[str]:
    """The command of Compose that prints the last `lines` of each service."""
    options = ["--no-color", "--timestamps", "--tail", str(lines)]
    return ["logs", *options, *(["--follow"] if follow else []), *names]


def parse(text: str) -> Line | None:
    """A line as the command prints it; None for what no service wrote."""
    match = _LINE.fullmatch(text)
    return Line(match["time"], match["service"], match["text"]) if match else None
