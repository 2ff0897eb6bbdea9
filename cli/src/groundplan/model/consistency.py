"""What must hold between the parts of a merged Compose file."""

from typing import Any

from groundplan.errors import UserError
from groundplan.model.shapes import Place

Tree = dict[str, Any]


def check(tree: Tree, place: Place) -> None:
    """Raise UserError, naming file and line, for what refers to nothing or contradicts itself."""
    services = tree.get("services")
    if not services:
        raise UserError(f"{place.files[0].name} has no services.")
    for name, service in services.items():
        at = place.child("services").child(name)
        if not service.get("image") and not service.get("build"):
            raise at.error(f"has neither `image` nor `build`: {name!r} can't start")
        _check_networks(tree, service, at)
        _check_volumes(tree, service, at)
        _check_granted(tree, service, at)
        _check_replicas(service, at)
        _check_dependencies(services, service, at)
    _check_rings(services, place.child("services"))


def _check_networks(tree: Tree, service: Tree, at: Place) -> None:
    if service.get("network_mode") and service.get("networks"):
        raise at.child("network_mode").error("excludes `networks`")
    for name in service.get("networks", {}):
        if name != "default" and name not in tree.get("networks", {}):
            raise at.child("networks").child(name).error("is no network of this file")


def _check_volumes(tree: Tree, service: Tree, at: Place) -> None:
    for index, mount in enumerate(service.get("volumes", [])):
        source = mount.get("source")
        if mount["type"] == "volume" and source and source not in tree.get("volumes", {}):
            place = at.child("volumes").child(index)
            raise place.error(f"mounts {source!r}, which the top-level `volumes` lack")


def _check_granted(tree: Tree, service: Tree, at: Place) -> None:
    for kind in ("secrets", "configs"):
        for index, item in enumerate(service.get(kind, [])):
            if item["source"] not in tree.get(kind, {}):
                place = at.child(kind).child(index)
                raise place.error(f"names {item['source']!r}, which the top-level `{kind}` lack")


def _check_replicas(service: Tree, at: Place) -> None:
    replicas = (service.get("deploy") or {}).get("replicas")
    if None not in (replicas, service.get("scale")) and replicas != service["scale"]:
        raise at.child("scale").error("differs from deploy.replicas")


def _check_dependencies(services: Tree, service: Tree, at: Place) -> None:
    for name, dependency in service.get("depends_on", {}).items():
        if name not in services and dependency.get("required", True):
            place = at.child("depends_on").child(name)
            raise place.error(f"is missing: {at.path[-1]} depends on {name!r}, which is no service")


def _check_rings(services: Tree, at: Place) -> None:
    done: set[str] = set()

    def visit(name: str, before: tuple[str, ...]) -> None:
        if name in before:
            ring = " → ".join([*before[before.index(name) :], name])
            place = at.child(name).child("depends_on")
            raise place.error("is a ring: the services wait for each other", why=f"{ring}.")
        if name in done or name not in services:
            return
        for dependency in services[name].get("depends_on", {}):
            visit(dependency, (*before, name))
        done.add(name)

    for name in services:
        visit(name, ())
