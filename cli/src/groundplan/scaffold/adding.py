"""Plans what `./gp add` does."""

from collections.abc import Iterable
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model import markers
from groundplan.scaffold import names
from groundplan.scaffold.names import Taken
from groundplan.scaffold.plan import Change, Plan, completed, read
from groundplan.scaffold.template import Block, Names, Template, backing_template, template


def plan_service(root: Path, name: str, kind: str, port: int | None, image: str | None) -> Plan:
    """The plan that adds an application service; raises UserError for what is taken or not valid."""
    chosen = template(kind)
    if chosen.is_image != bool(image):
        example = " --image NAME:VERSION" if chosen.is_image else ""
        raise UserError(
            f"The kind {kind} {'needs' if chosen.is_image else 'has no'} --image.",
            hint=f"./gp add service {name} --kind {kind}{example}",
            code=2,
        )
    taken = Taken.of(root)
    names.check_name(name, taken)
    if image:
        names.check_image(image)
        return _plan(root, chosen, _names_of_image(chosen, taken, name, image, port))
    own = names.check_own_port(port, taken)
    return _plan(root, chosen, Names(name, own, own))


def plan_backing(root: Path, name: str, image: str, port: int | None, volume: str | None) -> Plan:
    """The plan that adds a server of an image, with its data in a volume at the path `volume`."""
    chosen = backing_template(names.check_image(image), bool(volume))
    taken = Taken.of(root)
    names.check_name(name, taken)
    names.check_volume(f"{name}-data", volume, taken)
    if chosen.port and volume:
        raise UserError(
            f"The template of {image} says itself where its data lie.",
            hint="Leave --volume out.",
            code=2,
        )
    return _plan(root, chosen, _names_of_image(chosen, taken, name, image, port, volume or ""))


def _names_of_image(
    chosen: Template, taken: Taken, name: str, image: str, port: int | None, volume: str = ""
) -> Names:
    if chosen.port and port not in (None, chosen.port):
        raise UserError(f"{image} listens on {chosen.port}.", hint="Leave --port out.", code=2)
    target = chosen.port or port
    if target is None:
        raise UserError(
            f"It is not known on which port {image} listens.", hint="Say it: --port N", code=2
        )
    names.check_port(target, taken)
    return Names(name, target, names.free_port(taken, target), image, volume)


def _plan(root: Path, chosen: Template, words: Names) -> Plan:
    creations = [
        Change(path, None, content, mode) for path, (content, mode) in chosen.files(words).items()
    ]
    edits = insertions(root, chosen.blocks(words))
    return completed(root, Plan(f"add {words.name}", (*creations, *edits)))


def insertions(root: Path, blocks: Iterable[Block]) -> list[Change]:
    """The files with the blocks put in; raises UserError where markers are not in order."""
    texts: dict[Path, str] = {}
    for block in blocks:
        text = texts.get(block.file) or _text(root, block.file)
        texts[block.file] = markers.insert(text, block.section, block.text, str(block.file))
    return [Change(path, read(root, path), text.encode()) for path, text in texts.items()]


def _text(root: Path, path: Path) -> str:
    content = read(root, path)
    if content is None:
        raise UserError(f"{path} is missing.", hint=f"Restore it: git checkout -- {path}")
    return content.decode()
