"""No secret is in a file that git tracks."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.place import PRODUCTION_FOLDER, PRODUCTION_SETTINGS, SECRETS_FOLDER

ID = "secret-tracked"
TITLE = "No secret in git"
WHY = "What git has seen once is in every clone for ever."
FIX = "Move it to config/.env, which git ignores, and change the secret: it is known now."
LEVEL = Level.ERROR

_SHAPES = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "an access key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,})\b",
    "a token of GitLab": r"\bglpat-[\w-]{20,}",
    "a token of npm": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a token of Slack": r"\bxox[abprs]-[\w-]{10,}",
    "a key of Google": r"\bAIza[\w-]{35}\b",
    "a key of Stripe": r"\b[rs]k_live_[A-Za-z0-9]{16,}",
    "an API key": r"\bsk-[A-Za-z0-9_-]{32,}",
    "a signed token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}",
}
_STARTS = (
    "-----BEGIN",
    "AKIA",
    "ASIA",
    "gh",
    "glpat-",
    "npm_",
    "xox",
    "AIza",
    "k_live_",
    "sk-",
    "eyJ",
)
_SHAPE = re.compile("|".join(f"({shape})" for shape in _SHAPES.values()))
_WORDS = (
    "password",
    "passwd",
    "_pass",
    "secret",
    "token",
    "apikey",
    "api_key",
    "access_key",
    "auth_key",
)
_ASSIGNED = re.compile(
    rf"""(?P<name>(?:{"|".join(_WORDS)})\w*)["']?\s*(?::=|[:=])\s*["']?(?P<value>[^\s"'`,;(){{}}<>$\[\]]{{12,}})"""
)
_IN_URL = re.compile(r"\w+://[^\s/:@\"'<>{}$]+:(?P<value>[^\s/:@\"'<>{}$]{8,})@")
_FILES = re.compile(
    r"(?:^|/)(?:\.env(?:\.(?!.*example)[\w.]+)?|id_(?:rsa|ed25519)|[\w.-]+\.(?:pem|p12|pfx|keystore))$"
)
_FOLDERS = tuple(
    f"{(PRODUCTION_FOLDER / name).as_posix()}/" for name in (SECRETS_FOLDER.name, "certificates")
)
_PRIVATE = (
    *("config/.env", "config/.env.mcp.credentials", PRODUCTION_SETTINGS.as_posix()),
    *(f"{folder}any" for folder in _FOLDERS),
)
_SKIPPED = re.compile(r"\.lock$|package-lock\.json$|\.svg$")
_LONGEST_LINE = 2000
_BITS_OF_RANDOM_TEXT = 3.0


def check(facts: Facts) -> Iterator[Finding]:
    """Yield files that hold secrets by their name, and lines that hold something like one."""
    for file in facts.files:
        is_secret = _FILES.search(file) and "tests" not in file.split("/")
        if is_secret or file.startswith(_FOLDERS):
            fix = "Take it out of git: git rm --cached, and a line in .gitignore."
            yield Finding("Files of this name hold secrets.", file, fix=fix)
        elif not _SKIPPED.search(file):
            yield from _lines(facts, file)
    for file in sorted(set(_PRIVATE) - facts.ignored(_PRIVATE)):
        if file not in facts.files:
            yield Finding(f"Git does not ignore {file}.", ".gitignore", fix=f"Add the line {file}.")


def _lines(facts: Facts, file: str) -> Iterator[Finding]:
    text = facts.text(file)
    lines = text.split("\n")
    for number in sorted(_candidates(text)):
        line = lines[number]
        if len(line) <= _LONGEST_LINE and (what := _secret_in(line)):
            yield Finding(f"This looks like a secret: {what}.", file, number + 1)


def _candidates(text: str) -> set[int]:
    """The lines, from 0, that are worth a closer look: searching for words is much quicker."""
    found: set[int] = set()
    for words, where in (((*_STARTS, "://"), text), (_WORDS, text.lower())):
        for word in words:
            at = where.find(word)
            while at >= 0:
                found.add(where.count("\n", 0, at))
                end = where.find("\n", at)
                at = where.find(word, end) if end >= 0 else -1
    return found


def _secret_in(line: str) -> str | None:
    """What kind of secret stands in a line, if any."""
    if any(start in line for start in _STARTS) and (match := _SHAPE.search(line)):
        return list(_SHAPES)[(match.lastindex or 1) - 1]
    if "://" in line and (match := _IN_URL.search(line)) and looks_random(match["value"]):
        return "a password in an address"
    lower = line.lower()
    if any(word in lower for word in _WORDS):
        for match in _ASSIGNED.finditer(lower):
            if looks_random(line[match.start("value") : match.end("value")]):
                return f"the value of {match['name']}"
    return None


def looks_random(value: str) -> bool:
    """True for what a person would not have thought of: letters mixed with digits, and few repeats."""
    words = re.split(r"[-_./+=:@]", value)
    if "12345" in value or all(w.isalpha() or w.isdigit() or not w for w in words):
        return False
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    digits = sum(character.isdigit() for character in value)
    return bits >= _BITS_OF_RANDOM_TEXT and digits >= 2 and len(value) <= _LONGEST_LINE
