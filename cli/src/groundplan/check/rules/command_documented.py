"""Commands that pages show can be typed."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence

import click

from groundplan.check import documents
from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.rules.service_documented import service_of

ID = "command-documented"
TITLE = "Commands in pages exist"
WHY = "People type what they read."
FIX = "Write the command as ./gp --help shows it."
LEVEL = Level.ERROR

_CALL = re.compile(r"(?<![\w/.])\./gp(?![\w.-])([^`|;&<>#\n]*(?:\|[\w|-]+[^`|;&<>#\n]*)*)")
_SCRIPT = re.compile(r"\bnpm run ([\w:-]+)")
_PLACEHOLDER = re.compile(r"\[?<?(?:[A-Z][A-Z0-9_|-]*)?>?(?:\.\.\.|…)?\]?")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield commands of the tool and scripts of npm that there are not."""
    from groundplan.__main__ import gp

    for page in facts.pages:
        scripts = _scripts(facts, page)
        for piece in documents.code(facts, page):
            for call in _CALL.findall(piece.text):
                if problem := _problem(gp, _words(call)):
                    yield Finding(f"./gp {call.strip()}: {problem}.", page, piece.line)
            for script in _SCRIPT.findall(piece.text) if scripts is not None else ():
                if script not in (scripts or ()):
                    message = f"npm run {script}: package.json has no such script."
                    yield Finding(message, page, piece.line)


def _words(call: str) -> list[str]:
    try:
        return shlex.split(call)
    except ValueError:
        return call.split()


def _is_placeholder(word: str) -> bool:
    return bool(_PLACEHOLDER.fullmatch(word))


def _problem(command: click.Command, words: Sequence[str]) -> str | None:
    """What is wrong with a call of `command`, or None."""
    if isinstance(command, click.Group):
        if not words or _is_placeholder(words[0]) or words[0] in ("--help", "-h", "--version"):
            return None
        known = command.commands.get(words[0])
        return _problem(known, words[1:]) if known else f"there is no command {words[0]!r}"
    if command.context_settings.get("ignore_unknown_options"):
        return None  # its words are another program's
    return _wrong_words(command, words)


def _wrong_words(command: click.Command, words: Sequence[str]) -> str | None:
    options = {
        name: param
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    rest = iter(words)
    given = 0
    for word in rest:
        name, _, value = word.strip("[]").partition("=")
        if name == "--":
            return None
        if not name.startswith("-"):
            given += 1
        elif name in ("--help", "-h"):
            return None
        elif name not in options:
            return f"it has no option {name}"
        elif not options[name].is_flag and (
            wrong := _wrong_value(options[name], value or next(rest, ""))
        ):
            return wrong
    most = sum(
        p.nargs if p.nargs > 0 else 99 for p in command.params if isinstance(p, click.Argument)
    )
    return f"it takes {most} words, not {given}" if given > most else None


def _wrong_value(option: click.Option, value: str) -> str | None:
    if not value:
        return f"{option.opts[0]} wants a value"
    if isinstance(option.type, click.Choice) and not _is_placeholder(value):
        wrong = [word for word in value.strip("[]").split("|") if word not in option.type.choices]
        return f"{option.opts[0]} can't be {wrong[0]!r}" if wrong else None
    return None


def _scripts(facts: Facts, page: str) -> set[str] | None:
    """The scripts of the npm package that a page is about; None if it is about none."""
    context = next(
        (
            facts.relative(service.context)
            for service in facts.development.services.values()
            if service.context
            and (
                service_of(page) == service.name
                or page.startswith(f"{facts.relative(service.context)}/")
            )
        ),
        None,
    )
    text = facts.text(f"{context}/package.json") if context else ""
    return set(json.loads(text).get("scripts", ())) if text else None
