"""Contracts serve those who know the released ones."""

import json
from collections.abc import Iterator
from typing import Any

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.contract.openapi import broken
from groundplan.contract.schema import Node, narrowed

ID = "contract-compatible"
TITLE = "Contracts serve those who know the released ones"
WHY = "While a version is rolled out, old and new services and clients work together."
FIX = (
    "Keep what was released and add the new beside it; or release: copy the contract to "
    "contracts/released, and say in CHANGELOG.md what breaks."
)
LEVEL = Level.ERROR

RELEASED = "contracts/released"


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what a released contract allows and the present one does not."""
    for released in facts.below(RELEASED):
        if not released.endswith(".json"):
            continue
        present = released.replace(RELEASED, "contracts", 1)
        if present not in facts.files:
            yield Finding(f"{present} was removed.", released)
            continue
        trees = [_read(facts, name) for name in (released, present)]
        for name, tree in zip((released, present), trees, strict=True):
            if tree is None:
                yield Finding(f"{name} is no JSON object.", name)
        old, new = trees
        if old is not None and new is not None:
            for problem in _problems(old, new):
                yield Finding(problem, present, _line(facts.text(present), problem))


def _problems(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    if "paths" in old:
        return broken(old, new)
    return map(str, narrowed(Node(old, old), Node(new, new), str(old.get("title", "The message"))))


def _read(facts: Facts, file: str) -> dict[str, Any] | None:
    try:
        tree = json.loads(facts.text(file))
    except ValueError:
        return None
    return tree if isinstance(tree, dict) else None


def _line(text: str, problem: str) -> int:
    """The line that first names the property or path that the problem begins with."""
    word = problem.partition(":")[0].split()[-1] if "/" in problem else _last_name(problem)
    lines = text.split("\n")
    return next((number for number, line in enumerate(lines, 1) if f'"{word}"' in line), 1)


def _last_name(problem: str) -> str:
    return problem.split()[0].rpartition(".")[2].removesuffix("[]")
