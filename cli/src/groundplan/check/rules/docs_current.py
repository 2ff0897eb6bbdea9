"""The generated parts of the documents are what the files say."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.rules.compose_valid import error_finding
from groundplan.errors import UserError

ID = "docs-current"
TITLE = "The generated parts of the documents are current"
WHY = "A picture of yesterday's architecture is worse than none."
FIX = "Run ./gp docs"
LEVEL = Level.ERROR


def check(facts: Facts) -> Iterator[Finding]:
    """Yield each block that `./gp docs` would write otherwise."""
    from groundplan.docs import document  # only this rule pays for the import

    facts.ensure_readable()
    try:
        for drift in document.drift(facts.root):
            yield Finding(drift.message, drift.file.as_posix(), drift.line)
    except UserError as error:
        yield error_finding(facts, error, document.OVERVIEW.as_posix())
