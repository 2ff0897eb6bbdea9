"""Findings as text for people, JSON, SARIF 2.1.0 and annotations of GitHub."""

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby
from typing import Any
from urllib.parse import quote

from groundplan import __version__
from groundplan.check.engine import DESCRIBED, Report
from groundplan.check.finding import Finding, Level

_COLOURS = {Level.ERROR: 31, Level.WARNING: 33, Level.NOTE: 2}
_GITHUB = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def text(report: Report, *, coloured: bool = False) -> str:
    """Lines for people: findings by file, each with what to do, then the sum."""
    lines: list[str] = []
    for file, group in groupby(report.findings, key=lambda finding: finding.file):
        lines.append(_paint(_printable(file), 1, coloured))
        for finding in group:
            lines += _paragraph(finding, coloured)
        lines.append("")
    return "\n".join([*lines, summary(report)])


def _paragraph(finding: Finding, coloured: bool) -> list[str]:
    level = _level(finding)
    place = f"{_printable(finding.file)}:{finding.line}"
    shown = _paint(f"{level:<7}", _COLOURS[level], coloured)
    rule = _paint(f"[{finding.rule}]", 2, coloured)
    return [
        f"  {place}  {shown}  {_printable(finding.message)}  {rule}",
        f"      {_printable(finding.fix)}",
    ]


def summary(report: Report) -> str:
    """One line: how many findings of each level."""
    counts = [_count(report.count(level), level) for level in Level if report.count(level)]
    if report.baselined:
        counts.append(f"{report.baselined} in the baseline")
    if report.hidden_notes:
        counts.append(f"{_count(report.hidden_notes, Level.NOTE)} (--notes shows them)")
    is_well = not report.count(Level.ERROR) and not report.count(Level.WARNING)
    return ", ".join([*(["All is well"] if is_well else []), *counts]) + "."


def _count(number: int, level: Level) -> str:
    return f"{number} {level}{'' if number == 1 else 's'}"


def as_json(report: Report) -> str:
    """{"findings": […], "errors", "warnings", "notes", "baselined"}."""
    tree: dict[str, Any] = {"findings": [asdict(finding) for finding in report.findings]}
    tree |= {f"{level}s": report.count(level) for level in Level}
    return json.dumps(tree | {"baselined": report.baselined}, indent=2, ensure_ascii=False)


def sarif(report: Report) -> str:
    """A SARIF log of one run."""
    driver = {
        "name": "groundplan",
        "version": __version__,
        "rules": [
            {
                "id": item.ID,
                "shortDescription": {"text": item.TITLE},
                "fullDescription": {"text": item.WHY},
                "help": {"text": item.FIX},
                "defaultConfiguration": {"level": item.LEVEL},
            }
            for item in DESCRIBED
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(finding) for finding in report.findings],
    }
    tree = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(tree, indent=2, ensure_ascii=False)


def _sarif_result(finding: Finding) -> dict[str, Any]:
    location = {
        "artifactLocation": {"uri": quote(finding.file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": [item.ID for item in DESCRIBED].index(finding.rule),
        "level": _level(finding),
        "message": {"text": f"{finding.message} {finding.fix}"},
        "locations": [{"physicalLocation": location}],
    }


def github(report: Report) -> str:
    """One workflow command a finding, which GitHub shows beside the line, then the sum."""
    return "\n".join([*map(_annotation, report.findings), summary(report)])


def _annotation(finding: Finding) -> str:
    properties = {"file": finding.file, "line": str(finding.line), "title": finding.rule}
    listed = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items())
    return f"::{_GITHUB[_level(finding)]} {listed}::{_escape(f'{finding.message} {finding.fix}')}"


def _escape(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(words: str) -> str:
    return _escape(words).replace(":", "%3A").replace(",", "%2C")


def _level(finding: Finding) -> Level:
    assert finding.level, "the engine fills it in"
    return finding.level


def _paint(words: str, colour: int, coloured: bool) -> str:
    return f"\033[{colour}m{words}\033[0m" if coloured else words


def _printable(words: str) -> str:
    """`words` without what would move the cursor of a terminal or end the line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "github": github,
}
