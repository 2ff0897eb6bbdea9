"""Exceptions in the files themselves: a comment `groundplan: allow RULE: reason`.

It excuses the findings of that rule on its own line and on the one below.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level

ID = "exception"
TITLE = "Exceptions are explained and needed"
WHY = "An exception without a reason, or one that excuses nothing, hides the next mistake."
FIX = "Write `groundplan: allow RULE: reason`, or delete the comment."
LEVEL = Level.ERROR

_WORDS = "groundplan: allow"
_COMMENT = re.compile(
    rf"(?:^|\s)(?:#|//|<!--)\s*{_WORDS}\b\s*(?P<rule>[\w-]*)\s*:?\s*(?P<reason>.*)"
)
_CODE_SPAN = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class _Exception:
    file: str
    line: int
    rule: str
    reason: str

    def excuses(self, finding: Finding) -> bool:
        return (
            (finding.file, finding.rule) == (self.file, self.rule)
            and finding.line - self.line in (0, 1)
            and bool(self.reason)
        )


def apply(
    facts: Facts, findings: Sequence[Finding], ran: Collection[str], known: Collection[str]
) -> list[Finding]:
    """`findings` without the excused ones, and with what is wrong with the exceptions.

    `ran` are the ids of the rules that were asked, `known` all ids.
    """
    exceptions = list(_find(facts))
    left = [found for found in findings if not any(each.excuses(found) for each in exceptions)]
    problems = ((each, _problem(each, findings, ran, known)) for each in exceptions)
    return left + [Finding(text, each.file, each.line) for each, text in problems if text]


def _problem(
    each: _Exception, findings: Sequence[Finding], ran: Collection[str], known: Collection[str]
) -> str:
    if each.rule not in known:
        return f"The exception names {each.rule!r}, which is no rule."
    if not each.reason:
        return f"The exception from {each.rule} gives no reason."
    if each.rule in ran and not any(each.excuses(found) for found in findings):
        return f"The exception from {each.rule} excuses nothing."
    return ""


def _find(facts: Facts) -> Iterator[_Exception]:
    for file in facts.files:
        text = facts.text(file)
        if _WORDS not in text:
            continue
        code = _code_lines(facts, file) if file.endswith(".md") else set()
        for number, line in enumerate(text.split("\n"), 1):
            if number not in code and (match := _COMMENT.search(_without_code(file, line))):
                reason = match["reason"].strip().removesuffix("-->").strip()
                yield _Exception(file, number, match["rule"], reason)


def _without_code(file: str, line: str) -> str:
    return _CODE_SPAN.sub("", line) if file.endswith(".md") else line


def _code_lines(facts: Facts, page: str) -> set[int]:
    """The lines of a page that are code: what stands there is an example."""
    return {
        number
        for token in facts.markdown(page)
        if token.type in ("fence", "code_block") and token.map
        for number in range(token.map[0] + 1, token.map[1] + 1)
    }
