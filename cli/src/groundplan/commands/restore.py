"""`gp restore`: brings the database back to a backup, or to a moment."""

from typing import Any

import click

from groundplan.backup.client import BACKUP, RESTORE
from groundplan.commands.backup import connected, tell
from groundplan.errors import UserError

_LATEST = "latest"


def run(
    backup: str | None,
    moment: str | None,
    swap: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    is_production: bool,
) -> None:
    """Put `backup`, or what was there at `moment`, in the place of the database."""
    with connected(is_production) as client:
        # The service refuses a time that it can't reach, before anybody is asked to agree.
        listed = client.ask(BACKUP, "list", *(["--time", moment] if moment else []))
    found = _find(listed, backup, moment)
    if dry_run:
        tell(found, as_json, _plan(found, swap))
        return
    _agree(f"Put {found['title']} in the place of the database?", yes)
    with connected(is_production) as client:
        answer = client.ask(RESTORE, "restore", *found["words"], *(["--swap"] if swap else []))
        if answer["swapped"]:
            client.after_swap()
    tell(answer, as_json, _restored(answer))


def drop_old(yes: bool, as_json: bool, is_production: bool) -> None:
    """Delete the databases that restores have put aside."""
    _agree("Delete the databases that were there before the restores?", yes)
    with connected(is_production) as client:
        answer = client.ask(RESTORE, "drop-old")
    names = ", ".join(answer["dropped"])
    tell(answer, as_json, [f"Deleted: {names}." if names else "There is none."])


def swap_back(yes: bool, as_json: bool, is_production: bool) -> None:
    """Put the database back that was there before the last restore."""
    _agree("Put the database back that was there before the restore?", yes)
    with connected(is_production) as client:
        answer = client.ask(RESTORE, "swap-back")
        client.after_swap()
    tell(answer, as_json, ["The database is again the one from before the restore."])


def _agree(question: str, yes: bool) -> None:
    if not yes and not click.confirm(question, err=True):
        raise UserError("Nothing was changed.")


def _find(listed: dict[str, Any], backup: str | None, moment: str | None) -> dict[str, Any]:
    """What is restored: its title for people, and the words that name it; raises UserError if it is not there."""
    if moment:
        return {"title": f"what was there at {moment}", "words": ["--time", moment]}
    dumps = [item["id"] for item in listed["backups"] if item["kind"] == "dump"]
    if backup == _LATEST and dumps:
        return {"title": "the newest dump", "words": [backup]}
    if backup in dumps:
        return {"title": backup, "words": [backup]}
    others = [item["kind"] for item in listed["backups"] if item["id"] == backup]
    if others:
        raise UserError(
            f"{backup} holds no database: it is of the kind {others[0]}.",
            hint="docs/operations/backup-restore.md says what it is for. Type ./gp backup list",
            code=2,
        )
    raise UserError(
        f"There is no backup {backup!r} in {listed['repository']}."
        if dumps
        else "There is no backup yet.",
        hint="See what there is: ./gp backup list" if dumps else "Make one: ./gp backup now",
        code=2,
    )


def _plan(found: dict[str, Any], swap: bool) -> list[str]:
    ends = (
        "end the connections to the database and "
        if swap
        else "refuse if anybody is connected, else "
    )
    return [
        f"restore {found['title']} into a new database on the same server",
        "check every table against the manifest: number of rows, checksum, schema",
        f"{ends}put the new one in its place, and keep the old one",
        "let every service forget what it knew: everybody signs in again",
    ]


def _restored(answer: dict[str, Any]) -> list[str]:
    rows = f"{answer['tables']} tables with {answer['rows']:,} rows in {answer['seconds']:.1f} s"
    if not answer["swapped"]:
        return [f"Restored {rows} as {answer['database']}."]
    return [
        f"Restored {rows}.",
        f"What was there before is kept as {answer['kept_as']}: ./gp restore --swap-back puts it back,",
        "./gp restore --drop-old deletes it.",
    ]
