"""Loads Compose files as Compose does: variables, `extends`, the merge of overrides, long forms.

docs/adr/0008-own-compose-reader.md says what is refused.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundplan.model import consistency, shapes
from groundplan.model.interpolation import substitute
from groundplan.model.shapes import Place
from groundplan.model.source import Override, Tree
from groundplan.model.source import locate as locate
from groundplan.model.source import read as read
from groundplan.model.specification import FILE, SERVICE


def load(files: Sequence[Path], variables: Mapping[str, str]) -> Tree:
    """Merge `files` in order, with `variables` put in for `${NAME}`; every value in its long form.

    Raises UserError, naming file and line, for what can't be read.
    """
    tree: Tree = {}
    for file in files:
        tree = shapes.settle(shapes.merge(FILE, tree, load_file(file, variables)))
    place = Place(tuple(files))
    shapes.complete(FILE, tree, place)
    for service in tree.get("services", {}).values():
        _add_implied_dependencies(service)
    consistency.check(tree, place)
    return tree


def load_file(file: Path, variables: Mapping[str, str]) -> Tree:
    """One Compose file, not merged with others; services have what they extend in them."""
    place = Place((file,))
    tree: Tree = shapes.read(FILE, _interpolate(read(file), variables, place), place)
    marked = tree.get("services")
    services: Any = marked.value if isinstance(marked, Override) else marked
    for name in services if isinstance(services, dict) else ():
        services[name] = _extended(file, services, name, variables, ())
    return tree


def _interpolate(node: Any, variables: Mapping[str, str], place: Place) -> Any:
    """`node` with variables put into every text but keys."""
    if isinstance(node, dict):
        return {
            key: _interpolate(value, variables, place.child(key)) for key, value in node.items()
        }
    if isinstance(node, list):
        return [
            _interpolate(value, variables, place.child(index)) for index, value in enumerate(node)
        ]
    if isinstance(node, Override):
        return Override(_interpolate(node.value, variables, place))
    if isinstance(node, str) and "$" in node:
        file, line = locate(place.files, place.path)
        return substitute(node, variables, f"{file.name}:{line}")
    return node


def _extended(
    file: Path,
    services: Tree,
    name: str,
    variables: Mapping[str, str],
    chain: tuple[tuple[Path, str], ...],
) -> Any:
    """The service `name` of `file`, merged over the one that it extends."""
    node = services[name]
    if not isinstance(node, dict) or "extends" not in node:
        return node
    place = Place((file,), ("services", name, "extends"))
    if (file, name) in chain:
        ring = " → ".join(step for _, step in [*chain, (file, name)])
        raise place.error("comes back to itself", why=f"{ring}.")
    extends = shapes.unmarked(node["extends"], place)
    other = Path(shapes.unmarked(extends.get("file", file), place))
    base = extends["service"]
    others = services if other == file else _raw_services(other, variables)
    if base not in others:
        raise place.error(f"names {base!r}, which is no service of {other.name}")
    inherited = _extended(other, others, base, variables, (*chain, (file, name)))
    own = {key: value for key, value in node.items() if key != "extends"}
    return shapes.merge(SERVICE, inherited, own)


def _raw_services(file: Path, variables: Mapping[str, str]) -> Tree:
    place = Place((file,))
    tree = shapes.read(FILE, _interpolate(read(file), variables, place), place)
    services: Tree = shapes.unmarked(tree.get("services"), place.child("services"))
    return services


def _add_implied_dependencies(service: Tree) -> None:
    """What a service links to, or shares volumes or a namespace with, starts before it."""
    restarted = [link.split(":")[0] for link in service.get("links", [])]
    for key in ("network_mode", "ipc", "pid", "uts", "cgroup"):
        kind, _, name = service.get(key, "").partition(":")
        if kind == "service":
            restarted.append(name)
    shared = [
        item.split(":")[0] for item in service.get("volumes_from", []) if item[:10] != "container:"
    ]
    implied = {name: {"condition": "service_started", "required": True} for name in shared}
    implied |= {
        name: {"condition": "service_started", "required": True, "restart": True}
        for name in restarted
    }
    if implied:
        service["depends_on"] = implied | service.get("depends_on", {})
