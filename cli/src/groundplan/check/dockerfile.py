"""Dockerfiles as stages and instructions: as much of them as the rules look at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from groundplan.check.facts import Facts

_NAME = re.compile(r"(?:^|/)(?:Dockerfile[^/]*|[^/]+\.Dockerfile)$")
_FROM = re.compile(r"(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<name>\S+))?", re.IGNORECASE)
_HERE_DOCUMENT = re.compile(r"<<-?[\"']?(\w+)[\"']?")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined and comments left out."""

    word: str
    """In capitals, e.g. "RUN"."""
    text: str
    """What follows the word, here-documents with their lines included."""
    line: int


@dataclass(frozen=True)
class Stage:
    """What follows one FROM."""

    name: str
    """Empty where it has none."""
    base: str
    """The stage or image that it begins with, defaults of ARG put in."""
    line: int
    instructions: tuple[Instruction, ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """The stages of a file, and the instructions before the first of them."""

    stages: tuple[Stage, ...]
    arguments: tuple[Instruction, ...] = ()

    @property
    def instructions(self) -> Iterator[Instruction]:
        """All of them but FROM, in their order."""
        yield from self.arguments
        for stage in self.stages:
            yield from stage.instructions

    def lineage(self, stage: Stage) -> list[Stage]:
        """`stage`, the stage that it begins with, and so on."""
        before = self.stages[: self.stages.index(stage)]
        named = [other for other in before if other.name and other.name == stage.base.lower()]
        return [stage, *(self.lineage(named[-1]) if named else [])]

    def images(self) -> Iterator[Stage]:
        """The stages that begin with an image."""
        for stage in self.stages:
            if stage.base != "scratch" and len(self.lineage(stage)) == 1:
                yield stage


def files(facts: Facts) -> list[str]:
    """Every Dockerfile of the workspace."""
    return [file for file in facts.files if _NAME.search(file)]


@lru_cache(1000)
def read(text: str) -> Dockerfile:
    """The Dockerfile that `text` is. Lines that are none are instructions of a strange word."""
    arguments: list[Instruction] = []
    stages: list[Stage] = []
    for item in _instructions(text):
        if item.word == "FROM" and (match := _FROM.match(item.text)):
            image = _with_defaults(match["image"], arguments)
            stages.append(Stage((match["name"] or "").lower(), image, item.line))
        elif stages:
            stages[-1] = replace(stages[-1], instructions=(*stages[-1].instructions, item))
        else:
            arguments.append(item)
    return Dockerfile(tuple(stages), tuple(arguments))


def _instructions(text: str) -> Iterator[Instruction]:
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = line.strip()
        while whole.endswith("\\"):
            _, more = next(lines, (0, ""))
            if not more.lstrip().startswith("#"):
                whole = f"{whole[:-1]} {more.strip()}"
        word, _, rest = whole.partition(" ")
        for end in _HERE_DOCUMENT.findall(rest) if word.upper() in ("RUN", "COPY", "ADD") else ():
            while (more := next(lines, (0, end))[1].strip()) != end:
                rest += f"\n{more}"
        yield Instruction(word.upper(), rest.strip(), number)


def _with_defaults(image: str, arguments: list[Instruction]) -> str:
    """`image` with what ARG gives; a variable without a default stays as it is written."""
    pairs = [item.text.partition("=") for item in arguments if item.word == "ARG"]
    given = {name: value.strip("\"'") for name, sign, value in pairs if sign}
    return _VARIABLE.sub(lambda m: given.get(m[1] or m[2], m[3] or m[0]), image)
