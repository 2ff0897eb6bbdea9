"""The overview and its pictures: what they should say, how they differ, and writing them."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from groundplan.docs import blocks, svg
from groundplan.docs.content import render
from groundplan.docs.facts import gather
from groundplan.docs.files import Change, apply, read
from groundplan.errors import UserError

FOLDER = Path("docs") / "architecture"
OVERVIEW = FOLDER / "overview.md"
_TEMPLATE = Path(__file__).with_name("overview.md.template")


@dataclass(frozen=True)
class Drift:
    """A place where a document is not what the workspace says."""

    file: Path
    """Relative to the workspace."""
    line: int
    message: str


def drift(root: Path) -> list[Drift]:
    """Every block, picture and marker that is not as the workspace says; writes nothing.

    Raises UserError where the Compose files or the flows can't be read.
    """
    contents, images = render(gather(root))
    document = read(root, OVERVIEW)
    if document is None:
        return [Drift(OVERVIEW, 1, "The overview is missing."), *_image_drift(root, images)]
    found, problems = blocks.find(document)
    problems += _unsuited(document, found, contents)
    drifts = [
        Drift(OVERVIEW, problem.line, f"{problem.message} {problem.hint}".rstrip())
        for problem in problems
    ]
    for block in found:
        if block.name in contents:
            old = document[block.start : block.end].replace("\r\n", "\n")
            if old != contents[block.name]:
                line = block.line + 1 + _first_difference(old, contents[block.name])
                drifts.append(Drift(OVERVIEW, line, f"The block {block.name} is out of date."))
    return [*drifts, *_image_drift(root, images)]


def plan(root: Path) -> list[Change]:
    """Each file of the documents as it is and as it should be.

    Raises UserError for markers that can't be followed.
    """
    contents, images = render(gather(root))
    document = read(root, OVERVIEW)
    template = _TEMPLATE.read_text().replace("<!-- flows -->", _flow_markers(contents))
    base = template if document is None else document
    found, problems = blocks.find(base)
    problems += _unsuited(base, found, contents)
    if problems:
        problem = problems[0]
        raise UserError(f"{OVERVIEW}:{problem.line}: {problem.message}", hint=problem.hint)
    overview = Change(OVERVIEW, document, blocks.replace(base, found, contents))
    return [overview, *_image_changes(root, images)]


def write(root: Path) -> list[Path]:
    """Write what changed, each file whole or not at all; the files written, relative to `root`."""
    changes = [change for change in plan(root) if change.state != "unchanged"]
    apply(root, changes)
    return [change.file for change in changes]


def _flow_markers(contents: dict[str, str]) -> str:
    names = (name for name in contents if name.startswith("flow-"))
    return "\n\n".join(f"{blocks.opening(name)}\n{blocks.closing(name)}" for name in names)


def _unsuited(
    document: str, found: list[blocks.Block], contents: dict[str, str]
) -> Iterable[blocks.Problem]:
    """Blocks that are missing, and blocks that nothing is known of."""
    lines = {
        block.name: block.line + document.count("\n", block.start, block.end) + 1 for block in found
    }
    last = document.count("\n") + 1
    for name in contents:
        if name in lines:
            last = lines[name]
            continue
        markers = f"{blocks.opening(name)} and {blocks.closing(name)}"
        yield blocks.Problem(
            last,
            f"The block {name} is missing.",
            f"Put these two lines where it shall stand, say below line {last}: {markers}",
        )
    for block in found:
        if block.name not in contents:
            yield blocks.Problem(
                block.line,
                f"Nothing is known of the block {block.name}.",
                f"Delete lines {block.line} to {lines[block.name]}.",
            )


def _image_drift(root: Path, images: dict[str, str]) -> list[Drift]:
    drifts = []
    for change in _image_changes(root, images):
        messages = {
            "new": "The picture is missing.",
            "removed": "The picture belongs to nothing any more.",
            "changed": "The picture is out of date.",
        }
        if message := messages.get(change.state):
            line = 1 + _first_difference(change.old or "", change.new or "")
            drifts.append(Drift(change.file, line, message))
    return drifts


def _image_changes(root: Path, images: dict[str, str]) -> list[Change]:
    changes = []
    for name, new in images.items():
        old = read(root, FOLDER / name)
        same = old is not None and old.replace("\r\n", "\n") == new
        changes.append(Change(FOLDER / name, old, old if same else new))
    others = (file for file in sorted((root / FOLDER).glob("*.svg")) if file.name not in images)
    texts = ((FOLDER / file.name, read(root, FOLDER / file.name) or "") for file in others)
    return [*changes, *(Change(file, text, None) for file, text in texts if svg.MARK in text)]


def _first_difference(old: str, new: str) -> int:
    """The number of lines that are the same from the start."""
    pairs = zip_longest(old.split("\n"), new.split("\n"))
    return next((number for number, (one, other) in enumerate(pairs) if one != other), 0)
