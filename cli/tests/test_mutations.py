"""What makes the documents of this repository untrue is found, at its place; what doesn't, is not."""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from groundplan.check import engine
from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.rules import secret_tracked
from tests.mutations import Mutation, harmful, harmless

ROOT = Path(__file__).parents[2]
_SHARES = 8
"""Each test takes its share of the corpus, so that several run side by side; each holds some of most kinds."""
_SHORT = 2
"""So many are tried each time; `-m long` tries the others."""


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of this repository, with the check made quicker where a text has not changed."""
    folder = tmp_path_factory.mktemp("mutations") / "groundplan"
    for name in Facts(ROOT).files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MarkdownIt, "parse", lru_cache(None)(MarkdownIt.parse))
        for name in ("_candidates", "_secret_in"):
            patch.setattr(secret_tracked, name, lru_cache(None)(getattr(secret_tracked, name)))
        yield folder


def _errors(root: Path) -> list[Finding]:
    return [f for f in engine.inspect(root) if f.level != Level.NOTE]


def _check(root: Path, mutation: Mutation) -> list[Finding]:
    """What the check finds once `mutation` is in the workspace."""
    before = {name: (root / name).read_bytes() for name in mutation.files if (root / name).exists()}
    try:
        for name, text in mutation.files.items():
            if text is None:
                (root / name).unlink()
            else:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(text.encode())
        return _errors(root)
    finally:
        for name in mutation.files:
            (root / name).unlink(missing_ok=True)
            if name in before:
                (root / name).write_bytes(before[name])


def _verdict(mutation: Mutation, found: list[Finding]) -> str | None:
    """What is wrong with what was found, or None."""
    seen = [f"{f.rule} at {f.file}:{f.line} ({f.message})" for f in found]
    right = [
        f
        for f in found
        if f.rule == mutation.rule
        and (not mutation.file or f.file == mutation.file)
        and (mutation.line is None or f.line == mutation.line)
    ]
    if mutation.rule and not right:
        return f"not found by {mutation.rule} at {mutation.file}:{mutation.line}; found: {seen}"
    foreign = {f.rule for f in found} - {mutation.rule} - mutation.also
    return f"also found by {foreign}: {seen}" if foreign else None


def _share(mutations: list[Mutation], number: int) -> list[Mutation]:
    return mutations[number::_SHARES]


def test_the_corpus_is_large() -> None:
    """There are at least 200 harmful and 30 harmless mutations."""
    facts = Facts(ROOT)
    found = harmful(facts)
    for kind, number in sorted(Counter(m.kind for m in found).items()):
        print(f"{number:4} {kind}")
    print(f"{len(found):4} together, and {len(harmless(facts))} harmless")
    assert len(found) >= 200
    assert len(harmless(facts)) >= 30


def test_nothing_is_found_in_the_repository_itself(copy: Path) -> None:
    """This repository is as its documents say."""
    assert _errors(copy) == []


@pytest.mark.parametrize(
    "number",
    [
        *range(_SHORT),
        *(pytest.param(number, marks=pytest.mark.long) for number in range(_SHORT, _SHARES)),
    ],
)
def test_every_harmful_mutation_is_found(copy: Path, number: int) -> None:
    """The right rule finds each, at the right place, and no other rule speaks up."""
    wrong = [
        f"{m.kind}: {m.name}: {verdict}"
        for m in _share(harmful(Facts(copy)), number)
        if (verdict := _verdict(m, _check(copy, m)))
    ]
    assert not wrong, f"{len(wrong)} wrong:{os.linesep}" + os.linesep.join(wrong)


def test_no_harmless_mutation_is_found(copy: Path) -> None:
    """Comments, other writings and prose raise no alarm."""
    wrong = [
        f"{m.kind}: {m.name}: {verdict}"
        for m in harmless(Facts(copy))
        if (verdict := _verdict(m, _check(copy, m)))
    ]
    assert not wrong, f"{len(wrong)} wrong:{os.linesep}" + os.linesep.join(wrong)
