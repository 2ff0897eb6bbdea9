"""The tables of volumes and folders, as Markdown."""

from collections.abc import Iterable

from groundplan.docs.facts import Facts
from groundplan.docs.markdown import NONE, code, listing, table, text
from groundplan.model.workspace import Mount, Service


def storage(facts: Facts) -> str:
    """Named volumes with their backup, and everything else that is mounted."""
    both = (facts.development, facts.production)
    volumes = {name: v for workspace in reversed(both) for name, v in workspace.volumes.items()}
    rows = [
        (
            code(volume.name),
            text(volume.holds or "") or NONE,
            listing(_mounted(facts, volume.name)),
            text(volume.backup or "") or "not stated",
        )
        for volume in volumes.values()
    ]
    named = table(("Named volume", "Holds", "Mounted by", "Backup"), rows)
    others = table(("Folder", "Mounted by", "In development?", "In production?"), _folders(facts))
    return f"{named}\n\n{others}"


def _mounted(facts: Facts, volume: str) -> Iterable[str]:
    for service in facts.services.values():
        for mount in service.mounts:
            if mount.source == volume and not mount.is_bind:
                yield f"{text(service.title)} at {code(mount.target)}"


def _folders(facts: Facts) -> Iterable[tuple[str, ...]]:
    """A row for each folder or anonymous volume, with all that mount it in the same environments."""
    users: dict[tuple[str, bool, bool], list[str]] = {}
    for service in facts.services.values():
        here = _sources(facts, facts.development.services.get(service.name))
        there = _sources(facts, facts.production.services.get(service.name))
        for key in dict.fromkeys((*here, *there)):
            source, target = key
            place = (source, key in here, key in there)
            users.setdefault(place, []).append(f"{text(service.title)} at {code(target)}")
    for (source, in_here, in_there), names in users.items():
        shown = code(source) if source else "anonymous volume"
        yield shown, listing(names), _yes(in_here), _yes(in_there)


def _sources(facts: Facts, service: Service | None) -> list[tuple[str, str]]:
    mounts: tuple[Mount, ...] = service.mounts if service else ()
    return [
        (facts.path(mount.source) if mount.source else "", mount.target)
        for mount in mounts
        if mount.is_bind or not mount.source
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
