"""The Compose files and the flows can be read."""

import re
from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.rules import marker
from groundplan.errors import UserError
from groundplan.model.place import BASE_FILE

ID = "compose-valid"
TITLE = "Compose files and flows can be read"
WHY = "What can't be read can be neither started nor checked."
FIX = "Mend the file there."
LEVEL = Level.ERROR

_PLACE = re.compile(r"(?P<file>[\w./-]*\.[\w.-]+):(?P<line>\d+)(?::\d+)?:?\s*(?:is )?")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what the model refuses."""
    markers = {finding.message for finding in marker.broken(facts)}
    for read in (lambda: facts.development, lambda: facts.production, lambda: facts.flows):
        try:
            read()
        except UserError as error:
            finding = _finding(facts, error)
            if finding.message not in markers:
                yield finding


def _finding(facts: Facts, error: UserError) -> Finding:
    return error_finding(facts, error, BASE_FILE)


def error_finding(facts: Facts, error: UserError, file: str, line: int = 1) -> Finding:
    """`error` as a finding at the place that it names, or else at `file`:`line`."""
    for place in _PLACE.finditer(error.what):
        known = [name for name in (place["file"], f"config/{place['file']}") if name in facts.files]
        if known:
            file, line = known[0], int(place["line"])
            break
    message = " ".join(part for part in (error.what, error.why) if part)
    return Finding(message, file, line, fix=error.hint)
