"""Deletes files that expired, and rows of jobs that ended long ago. Any number may run.

A file counts as gone from the moment it expires, so that nobody is led to a half-deleted one.
Deleting twice is harmless: the row is marked once the storage has said that nothing is left.
"""

import structlog
from sqlalchemy import text

from app.database import Database
from app.storage import Storage

ROW_DAYS = 90

EXPIRED = text(
    """
    SELECT id, result->>'key' FROM jobs
    WHERE result IS NOT NULL AND file_deleted_at IS NULL AND expires_at <= now()
    ORDER BY expires_at LIMIT 20
    """
)
MARK_DELETED = text("UPDATE jobs SET file_deleted_at = now() WHERE id = :id")
FORGET_JOBS = text("SELECT * FROM forget_jobs(:days)")
FORGET_KEYS = text("DELETE FROM idempotency_keys WHERE created_at < now() - interval '7 days'")

log = structlog.get_logger()


def folder_of(key: str) -> str:
    """The folder of a job, which holds what all its attempts left: `exports/ID/CLAIM/FILE`."""
    return key.rsplit("/", 2)[0] + "/"


async def delete_expired_files(database: Database, storage: Storage) -> int:
    """Delete up to 20 expired files; returns how many. Raises UnavailableError."""
    async with database.read() as connection:
        expired = (await connection.execute(EXPIRED)).all()
    for job_id, key in expired:
        await storage.delete_folder(folder_of(key))
        async with database.transaction() as session:
            await session.execute(MARK_DELETED, {"id": job_id})
        log.info("job.file_deleted", job_id=str(job_id))
    return len(expired)


async def forget_old_rows(database: Database) -> int:
    """Delete rows that nobody needs any more; returns how many jobs that were."""
    async with database.transaction() as session:
        await session.execute(FORGET_KEYS)
        forgotten = await session.scalar(FORGET_JOBS, {"days": ROW_DAYS})
    return forgotten or 0
