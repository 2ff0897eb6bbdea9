"""Dead jobs: `python -m app.job.commands dead|replay|discard`, which `./gp jobs` runs.

A job is dead once it has failed for good, until somebody replays or discards it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import service as audit
from app.audit.domain import Event
from app.database import Database, is_outage
from app.job.models import Job
from app.job.repository import JobRepository, as_new
from app.migrate import say
from app.settings import Settings, settings_or_exit

LIST_LIMIT = 1000


class UnknownJobsError(Exception):
    """Some of the jobs are not dead, or not there at all."""


async def list_dead(session: AsyncSession) -> list[dict[str, Any]]:
    """The newest dead jobs, as JSON; times in ISO 8601."""
    return [_describe(job, email) for job, email in await JobRepository(session).dead(LIST_LIMIT)]


async def change(session: AsyncSession, action: str, job_ids: Sequence[str] | None) -> list[str]:
    """Replay or discard dead jobs, all or those with the ids; returns which those were.

    Raises UnknownJobsError, and then nothing is to be committed.
    """
    # There may be many.
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    values, event = {
        "replay": (as_new(), Event.JOB_REPLAYED),
        "discard": ({"discarded_at": func.now()}, Event.JOB_DISCARDED),
    }[action]
    ids = None if job_ids is None else {job_id: _parse_id(job_id) for job_id in job_ids}
    known = None if ids is None else [parsed for parsed in ids.values() if parsed]
    changed = await JobRepository(session).change_dead(known, values)
    unknown = [job_id for job_id, parsed in (ids or {}).items() if parsed not in changed]
    if unknown:
        raise UnknownJobsError(", ".join(unknown))
    for job_id in changed:
        audit.record(session, event, subject=("job", job_id), by="./gp jobs")
    return sorted(str(job_id) for job_id in changed)


def _describe(job: Job, email: str) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "type": job.type,
        "requested_by": email,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "attempts": job.attempts,
        "error": job.error,
    }


async def run(settings: Settings, wish: argparse.Namespace) -> None:
    """Do what was asked, in one transaction, and tell it."""
    database = Database(settings, settings.postgres_role, pool_size=1)
    try:
        async with database.transaction() as session:
            if wish.action == "dead":
                _tell_dead(await list_dead(session), as_json=wish.json)
                return
            changed = await change(session, wish.action, None if wish.all else wish.ids)
        _tell_changed(wish.action, changed, as_json=wish.json)
    finally:
        await database.close()


def _tell_dead(jobs: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(jobs, indent=2))
        return
    for job in jobs:
        say(f"{job['id']}  {job['type']}  {job['requested_by']}  {job['finished_at']}")
        say(f"    after {job['attempts']} attempts: {job['error']}")
    say(f"{len(jobs)} dead" if jobs else "No job is dead.")


def _tell_changed(action: str, changed: Sequence[str], *, as_json: bool) -> None:
    done = "replayed" if action == "replay" else "discarded"
    say(json.dumps({done: changed}, indent=2) if as_json else f"{len(changed)} {done}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for; ends the process where that makes no sense."""
    parser = argparse.ArgumentParser(prog="./gp jobs", description="Work with dead jobs.")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, about in (
        ("dead", "list the jobs that failed for good"),
        ("replay", "start them over"),
        ("discard", "no longer list them"),
    ):
        action = actions.add_parser(name, help=about)
        action.add_argument("--json", action="store_true", help="for scripts")
        if name != "dead":
            action.add_argument("ids", nargs="*", metavar="ID")
            action.add_argument("--all", action="store_true", help="all that are dead")
    wish = parser.parse_args(arguments)
    if wish.action != "dead" and bool(wish.ids) == wish.all:
        actions.choices[wish.action].error("name jobs by their ids, or say --all")
    return wish


def _parse_id(job_id: str) -> UUID | None:
    try:
        return UUID(job_id)
    except ValueError:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 where a job is unknown or PostgreSQL is away, 2 where the words are wrong."""
    wish = parse(arguments)
    try:
        asyncio.run(run(settings_or_exit(), wish))
    except UnknownJobsError as error:
        _complain(f"not among the dead: {error}; nothing was changed", "./gp jobs dead")
    except Exception as error:
        if not is_outage(error):
            raise
        _complain("PostgreSQL does not answer", "./gp status")
    else:
        return 0
    return 1


def _complain(problem: str, hint: str) -> None:
    print(f"error: {problem}\nhint: {hint}", file=sys.stderr)  # noqa: T201 - of a command


if __name__ == "__main__":
    sys.exit(main())
