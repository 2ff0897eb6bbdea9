"""Dockerfiles make small images that run as nobody special and hold no secret."""

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from groundplan.check import dockerfile
from groundplan.check.dockerfile import Dockerfile, Instruction, Stage
from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.sensitive import is_secret

ID = "dockerfile-safe"
TITLE = "Images are built without root, secrets and leftovers"
WHY = "Whoever breaks into a container has what its image has: its user, its tools, each of its layers."
FIX = "Mend the instruction there."
LEVEL = Level.ERROR

_WORDS = (
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)
_APT_INSTALL = re.compile(r"\bapt(?:-get)?\b[^;&|\n]*\sinstall\b[^;&|\n]*")
_APT_CACHE = re.compile(r"--mount=\S*target=/var/lib/apt\b|rm -\w*r\w* [^;&|\n]*/var/lib/apt/lists")
_APK_ADD = re.compile(r"\bapk\b[^;&|\n]*\sadd\b[^;&|\n]*")
_PIP_INSTALL = re.compile(r"\bpip3?\b[^;&|\n]*\sinstall\b[^;&|\n]*")
_NPM_INSTALL = re.compile(r"\bnpm\s+(?:i|install|add)\b")
_SECRET_FILE = re.compile(
    r"^(?:\.env(?!.*example)(?:\..+)?|.+\.(?:pem|key|p12|pfx)|id_(?:rsa|ed25519))$"
)
_REMOTE = re.compile(r"https?://|git@|git://")
_NUMERIC_USER = re.compile(r"[1-9]\d*(?::\d+)?")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what is unsafe in any Dockerfile, and contexts that hide nothing from the builder."""
    for file in dockerfile.files(facts):
        read = dockerfile.read(facts.text(file))
        if not read.stages:
            yield Finding("This Dockerfile has no FROM.", file, fix="Begin it with an image.")
        for item in read.instructions:
            for problem, fix in _problems(item):
                yield Finding(problem, file, item.line, fix=fix)
        for stage in _shipped(facts, file, read):
            yield from _user(file, read, stage)
    yield from _contexts(facts)


def _shipped(facts: Facts, file: str, read: Dockerfile) -> list[Stage]:
    """The last stage, and those that production builds."""
    targets = {
        service.target.lower()
        for service in facts.production.services.values()
        if service.dockerfile and service.target and facts.relative(service.dockerfile) == file
    }
    chosen = [stage for stage in read.stages if stage.name and stage.name in targets]
    return chosen or list(read.stages[-1:])


def _user(file: str, read: Dockerfile, stage: Stage) -> Iterator[Finding]:
    lineage = read.lineage(stage)
    if lineage[-1].base == "scratch" and not any(step.instructions for step in lineage):
        return  # nothing runs in it
    users = [
        item for step in lineage for item in reversed(step.instructions) if item.word == "USER"
    ]
    name = stage.name or "the image"
    fix = "End the stage with USER and a number, as USER 10001:10001."
    if not users:
        yield Finding(f"{name} runs as root: no USER is given.", file, stage.line, fix=fix)
    elif not _NUMERIC_USER.fullmatch(users[0].text):
        why = "root" if users[0].text.split(":")[0] in ("0", "root") else "no number"
        yield Finding(
            f"{name} runs as {users[0].text}, which is {why}.", file, users[0].line, fix=fix
        )


def _problems(item: Instruction) -> Iterator[tuple[str, str]]:
    if item.word not in _WORDS:
        yield f"{item.word} is no instruction.", "Mend its spelling."
    elif item.word in ("ARG", "ENV"):
        yield from _variables(item)
    elif item.word in ("COPY", "ADD"):
        yield from _copied(item)
    elif item.word in ("CMD", "ENTRYPOINT") and not _is_list(item.text):
        fix = f'Write it as a list, as {item.word} ["program", "argument"].'
        yield f"{item.word} goes through a shell, which does not pass on SIGTERM.", fix
    elif item.word == "RUN":
        yield from _packages(item.text)


def _variables(item: Instruction) -> Iterator[tuple[str, str]]:
    first, *others = item.text.split() or [""]
    names = [word.partition("=")[0] for word in (first, *others) if "=" in word] or [first]
    for name in names:
        if is_secret(name):
            fix = "Mount it where it is needed: RUN --mount=type=secret,id=NAME."
            yield f"{item.word} {name} stays readable in the image.", fix


def _copied(item: Instruction) -> Iterator[tuple[str, str]]:
    words = [word.strip('[]",') for word in item.text.split("\n")[0].split()]
    sources = [word for word in words if not word.startswith("--")][:-1]
    for source in sources:
        if item.word == "ADD" and _REMOTE.match(source):
            fix = "Fetch it in RUN, and check its checksum there."
            yield f"ADD {source} takes whatever that address holds today.", fix
        elif _SECRET_FILE.match(PurePosixPath(source).name):
            fix = "Leave it out of the image: mount it when the container runs."
            yield f"{item.word} {source} puts secrets into the image.", fix


def _is_list(text: str) -> bool:
    try:
        words = json.loads(text)
    except ValueError:
        return False
    return isinstance(words, list) and all(isinstance(word, str) for word in words)


def _packages(text: str) -> Iterator[tuple[str, str]]:
    for command in _APT_INSTALL.findall(text):
        if "--no-install-recommends" not in command:
            fix = "Add --no-install-recommends."
            yield "apt-get installs recommended packages too.", fix
    if _APT_INSTALL.search(text) and not _APT_CACHE.search(text):
        fix = "End the same RUN with: rm -rf /var/lib/apt/lists/*"
        yield "The package lists of apt-get stay in the layer.", fix
    for command in _APK_ADD.findall(text):
        if "--no-cache" not in command and "--mount=type=cache" not in text:
            yield "The package index of apk stays in the layer.", "Add --no-cache."
    for command in _PIP_INSTALL.findall(text):
        if "--require-hashes" not in command:
            fix = "Install a lock file with hashes: pip install --require-hashes --requirement FILE"
            yield "pip installs what the registry has today.", fix
    if _NPM_INSTALL.search(text):
        fix = "Write npm ci, which installs package-lock.json, with ignore-scripts in .npmrc."
        yield "npm installs what the registry has today.", fix


def _contexts(facts: Facts) -> Iterator[Finding]:
    """The folders that are sent to the builder whole."""
    contexts = {
        facts.relative(service.context): service
        for workspace in facts.environments
        for service in workspace.services.values()
        if service.context and (service.context / "Dockerfile").is_file()
    }
    for folder in contexts:
        own = f"{folder}/.dockerignore".removeprefix("./")
        if not facts.text(own).strip():
            fix = "List there what no image needs: .venv, node_modules, caches, .env."
            yield Finding(f"{own} is missing or empty.", f"{folder}/Dockerfile", fix=fix)
