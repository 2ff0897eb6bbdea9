"""config/check-baseline.json: findings that were there before the check was; they can only become fewer."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from groundplan.check.finding import Finding, Level
from groundplan.errors import UserError
from groundplan.files import write_whole

FILE = "config/check-baseline.json"

ID = "baseline"
TITLE = "The baseline only shrinks"
WHY = "What was mended must not come back unseen."
FIX = "Run ./gp check --shrink-baseline"
LEVEL = Level.ERROR

Entry = tuple[str, str, str]
"""Rule, file and message; lines move too easily."""


def apply(
    root: Path, findings: Sequence[Finding], ran: Collection[str]
) -> tuple[list[Finding], int]:
    """`findings` without those of the baseline, and how many those are.

    Adds a finding for each entry of the rules in `ran` that no longer occurs.
    """
    expected = read(root)
    left, known = [], 0
    for finding in findings:
        if expected[_entry(finding)] > 0:
            expected[_entry(finding)] -= 1
            known += 1
        else:
            left.append(finding)
    for rule, file, message in (entry for entry in expected.elements() if entry[0] in ran):
        text = f"No longer found, so it must leave the baseline: [{rule}] {file}: {message}"
        left.append(Finding(text, FILE, _line(root, message)))
    return left, known


def read(root: Path) -> Counter[Entry]:
    """The entries with how often each is there; none without a file. Raises UserError."""
    file = root / FILE
    if not file.exists():
        return Counter()
    try:
        items: list[dict[str, Any]] = json.loads(file.read_text())["findings"]
        return Counter((str(i["rule"]), str(i["file"]), str(i["message"])) for i in items)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{FILE} can't be read.",
            why=f"{type(error).__name__}: {error}.",
            hint=f"Restore it: git checkout -- {FILE}",
            code=2,
        ) from error


def create(root: Path, findings: Sequence[Finding]) -> int:
    """Write the first baseline; the number of its entries. Raises UserError if there is one."""
    if (root / FILE).exists():
        raise UserError(
            f"There is a baseline already: {FILE}.",
            why="It can only shrink.",
            hint="Mend what is new, or excuse it where it stands. Then ./gp check --shrink-baseline",
            code=2,
        )
    entries = Counter(_entry(finding) for finding in findings if finding.level != Level.NOTE)
    _write(root, entries)
    return entries.total()


def shrink(root: Path, findings: Sequence[Finding]) -> int:
    """Take out of the baseline what no longer occurs; the number of entries that went."""
    before = read(root)
    after = before & Counter(_entry(finding) for finding in findings)
    if after != before:
        _write(root, after)
    return before.total() - after.total()


def _entry(finding: Finding) -> Entry:
    return finding.rule, finding.file, finding.message


def _write(root: Path, entries: Counter[Entry]) -> None:
    items = [
        dict(zip(("rule", "file", "message"), e, strict=True)) for e in sorted(entries.elements())
    ]
    text = json.dumps({"findings": items}, indent=2, ensure_ascii=False) + "\n"
    file = root / FILE
    try:
        file.parent.mkdir(exist_ok=True)
        write_whole({file: text})
    except OSError as error:
        raise UserError(f"{FILE} can't be written.", why=f"{error.strerror}.") from error


def _line(root: Path, message: str) -> int:
    quoted = json.dumps(message, ensure_ascii=False)
    lines = (root / FILE).read_text().split("\n")
    return next((number for number, line in enumerate(lines, 1) if quoted in line), 1)
