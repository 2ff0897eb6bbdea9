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
    for page in facts.pages:
        for link in documents.links(facts, page):
            if not _EXTERNAL.match(link.text) and (problem := _problem(facts, page, link)):
                yield Finding(problem, page, link.line)
        for piece in documents.plain(facts, page):
            for name in _UNDEFINED.findall(piece.text):
                yield Finding(f"The link [{name}] is defined nowhere.", page, piece.line)
    missing = list(_missing_paths(facts))
    # A folder that is not there looks like a file to git unless its name ends with a slash.
    names = {name for _, path in missing for name in (path.text, f"{path.text}/")}
    ignored = facts.ignored(names) if missing else set()
    for page, path in missing:
        if not {path.text, f"{path.text}/"} & ignored:
            yield Finding(f"{path.text} is not there.", page, path.line)


def _problem(facts: Facts, page: str, link: Piece) -> str | None:
    path, _, anchor = unquote(link.text).partition("#")
    path = path.partition("?")[0]
    base = "" if path.startswith("/") else str(PurePosixPath(page).parent)
    target = normpath(f"{base}/{path.lstrip('/')}".lstrip("/")) if path else page
    if target.startswith(".."):
        return f"{link.text} leads out of the workspace."
    if target not in facts.folders and target not in facts.files:
        return f"{link.text} leads to nothing."
    if anchor and target in facts.pages and anchor not in documents.anchors(facts, target):
        return f"{link.text}: {target} has no heading for #{anchor}."
    return None


def _missing_paths(facts: Facts) -> Iterator[tuple[str, Piece]]:
    """Paths in code that begin in one of the workspace's own folders and are not there."""
    for page in facts.pages:
        for piece in documents.code(facts, page):
            path = piece.text.strip().removeprefix("./").rstrip("/")
            if _PATH.fullmatch(path) and path.split("/")[0] in facts.folders:
                beside = normpath(f"{PurePosixPath(page).parent}/{path}")
                known = (name in facts.folders or name in facts.files for name in (path, beside))
                if not any(known) and not _has_placeholder(path):
                    yield page, Piece(path, piece.line)


def _has_placeholder(path: str) -> bool:
    return any(word.isupper() for word in re.split(r"[/.-]", path) if len(word) > 1)
