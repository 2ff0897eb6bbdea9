"""`gp check`: hold the documents against the Compose files and the code."""

import os
import sys
from collections.abc import Sequence

from groundplan.check import baseline, engine, formats
from groundplan.model.place import find_root


def run(output: str, strict: bool, notes: bool, rules: Sequence[str]) -> int:
    """Print what the chosen rules find, or all; 1 if that fails the check, else 0.

    Without `notes` people don't see notes, unless they chose the rules; machines always do.
    """
    report = engine.run(find_root(), engine.choose(rules))
    if output in ("text", "github") and not notes and not rules:
        report = report.without_notes()
    if output == "text":
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(formats.text(report, coloured=coloured))
    else:
        print(formats.FORMATS[output](report))
    return int(report.has_failed(strict=strict))


def explain(wanted: str) -> int:
    """Print why a rule is there and what to do about its findings."""
    about = engine.explain(wanted)
    print(f"{about.ID} ({about.LEVEL}): {about.TITLE}\n\nWhy: {about.WHY}\nFix: {about.FIX}")
    return 0


def write_baseline() -> int:
    """Write the first baseline from all that is found now."""
    root = find_root()
    print(f"Written to {baseline.FILE}: {baseline.create(root, engine.inspect(root))}.")
    return 0


def shrink_baseline() -> int:
    """Take out of the baseline what no longer occurs."""
    root = find_root()
    print(f"Taken out of {baseline.FILE}: {baseline.shrink(root, engine.inspect(root))}.")
    return 0
