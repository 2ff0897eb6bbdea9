"""What a page links to exists."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from posixpath import normpath
from urllib.parse import unquote

from groundplan.check import documents
from groundplan.check.documents import Piece
from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level

ID = "link"
TITLE = "Links lead somewhere"
WHY = "A broken link is the first sign that nobody has read a page since it was written."
FIX = "Write the path as it is now, or delete the link."
LEVEL = Level.ERROR

_EXTERNAL = re.compile(r"[a-zA-Z][\w+.-]*:|//")
_UNDEFINED = re.compile(r"\[[^\[\]]+\]\[([^\[\]]+)\]")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield broken links, anchors and references, and paths in code that are not there."""
    folders = _folders(facts)
    for page in facts.pages:
        for link in documents.links(facts, page):
            if not _EXTERNAL.match(link.text) and (problem := _problem(facts, folders, page, link)):
                yield Finding(problem, page, link.line)
        for piece in documents.plain(facts, page):
            for name in _UNDEFINED.findall(piece.text):
                yield Finding(f"The link [{name}] is defined nowhere.", page, piece.line)
        for piece in documents.code(facts, page):
            yield from _paths(facts, folders, page, piece)


def _problem(facts: Facts, folders: set[str], page: str, link: Piece) -> str | None:
    path, _, anchor = unquote(link.text).partition("#")
    path = path.partition("?")[0]
    base = "" if path.startswith("/") else str(PurePosixPath(page).parent)
    target = normpath(f"{base}/{path.lstrip('/')}".lstrip("/")) if path else page
    if target.startswith(".."):
        return f"{link.text} leads out of the workspace."
    if target not in folders and target not in facts.files:
        return f"{link.text} leads to nothing."
    if anchor and target in facts.pages and anchor not in documents.anchors(facts, target):
        return f"{link.text}: {target} has no heading for #{anchor}."
    return None


def _paths(facts: Facts, folders: set[str], page: str, piece: Piece) -> Iterator[Finding]:
    """A path in code counts if it begins in one of the workspace's own folders."""
    path = piece.text.strip().removeprefix("./")
    if not _PATH.fullmatch(path) or path.split("/")[0] not in folders:
        return
    target = path.rstrip("/")
    if any(word.isupper() for word in re.split(r"[/.-]", target) if len(word) > 1):
        return  # a placeholder
    beside = normpath(f"{PurePosixPath(page).parent}/{target}")
    is_there = any(known in folders or known in facts.files for known in (target, beside))
    if not is_there and not facts.is_ignored(target):
        yield Finding(f"{path} is not there.", page, piece.line)


def _folders(facts: Facts) -> set[str]:
    parents = (str(parent) for file in facts.files for parent in PurePosixPath(file).parents)
    return set(parents)
