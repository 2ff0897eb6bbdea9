"""Runs rules on a workspace and says what is left of their findings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from groundplan.check import baseline, exceptions, flow_seen
from groundplan.check.facts import Facts, UnreadableError
from groundplan.check.finding import Described, Finding, Level, Rule
from groundplan.check.rules import RULES, compose_valid
from groundplan.errors import UserError

DESCRIBED: tuple[Described, ...] = (*RULES, flow_seen, exceptions, baseline)
"""Everything that a finding can be an instance of."""
_BY_ID = {item.ID: item for item in DESCRIBED}


@dataclass(frozen=True)
class Report:
    """The outcome of one check."""

    findings: tuple[Finding, ...]
    """In the order of files and lines."""
    baselined: int = 0
    """How many more findings the baseline knows."""
    hidden_notes: int = 0

    def count(self, level: Level) -> int:
        """How many findings are of that level."""
        return sum(finding.level == level for finding in self.findings)

    def without_notes(self) -> "Report":
        """This report for people who want to see only what must be mended."""
        others = tuple(finding for finding in self.findings if finding.level != Level.NOTE)
        return replace(self, findings=others, hidden_notes=self.count(Level.NOTE))

    def has_failed(self, *, strict: bool) -> bool:
        """True if there is an error, or with `strict` a warning."""
        return bool(self.count(Level.ERROR) or (strict and self.count(Level.WARNING)))


def choose(ids: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of those ids, or all. Raises UserError for an unknown id."""
    for wanted in ids:
        if wanted not in {rule.ID for rule in RULES}:
            explain(wanted)
            raise UserError(f"{wanted!r} can't be run by itself.", code=2)
    return tuple(rule for rule in RULES if not ids or rule.ID in ids)


def explain(wanted: str) -> Described:
    """What that id is about. Raises UserError that lists the ids."""
    try:
        return _BY_ID[wanted]
    except KeyError as error:
        ids = ", ".join(_BY_ID)
        raise UserError(f"There is no rule {wanted!r}.", hint=f"Rules: {ids}.", code=2) from error


def run(root: Path, rules: Sequence[Rule] = RULES) -> Report:
    """Everything that `rules` find and that no exception and no baseline knows."""
    findings, known = baseline.apply(root, inspect(root, rules), {rule.ID for rule in rules})
    return Report(tuple(sorted(map(_complete, findings), key=_order)), known)


def inspect(root: Path, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Everything that `rules` find and that no exception excuses; the baseline does not count."""
    facts = Facts(root)
    found = dict.fromkeys(finding for rule in rules for finding in _ask(rule, facts))
    ran = {rule.ID for rule in rules}
    left = exceptions.apply(facts, list(found), ran, set(_BY_ID))
    return [_complete(finding, exceptions.ID) for finding in left]


def _ask(rule: Rule, facts: Facts) -> list[Finding]:
    """The findings of one rule; those of `compose-valid` where it has nothing to look at."""
    try:
        return [_complete(finding, rule.ID) for finding in rule.check(facts)]
    except UnreadableError:
        return [_complete(finding, compose_valid.ID) for finding in compose_valid.check(facts)]


def _complete(finding: Finding, rule: str = baseline.ID) -> Finding:
    """`finding` with what its rule says about all of its findings."""
    about = _BY_ID[finding.rule or rule]
    return replace(
        finding,
        rule=about.ID,
        level=finding.level or about.LEVEL,
        fix=finding.fix or about.FIX,
    )


def _order(finding: Finding) -> tuple[str, int, str, str]:
    return finding.file, finding.line, finding.rule, finding.message
