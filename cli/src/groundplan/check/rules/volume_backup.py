"""Every volume of production says what it holds and how it is backed up."""

from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.workspace import Volume

ID = "volume-backup"
TITLE = "Every volume of production has a backup, or a reason for none"
WHY = "A volume that nobody thought about is the one that is lost."
FIX = 'State `holds` and `backup` in its x-groundplan; where losing it is harmless, backup: "none: WHY".'
LEVEL = Level.ERROR


def check(facts: Facts) -> Iterator[Finding]:
    """Yield volumes of production that say too little."""
    for volume in facts.production.volumes.values():
        for problem in _problems(volume):
            place = facts.place(facts.production, "volumes", volume.name, "x-groundplan", "backup")
            yield Finding(f"The volume {volume.name} {problem}.", *place)


def _problems(volume: Volume) -> Iterator[str]:
    if not volume.holds:
        yield "does not say what it holds"
    backup = (volume.backup or "").strip()
    word, _, reason = backup.partition(":")
    if not backup:
        yield "does not say how it is backed up"
    elif word.strip().lower() in ("none", "no") and not reason.strip():
        yield "has no backup and gives no reason"
