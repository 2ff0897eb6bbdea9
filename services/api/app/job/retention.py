"""Deletes files that expired or that nobody will ever get, and rows of jobs that ended long ago.

A file counts as gone from the moment it expires, so that nobody is led to a half-deleted one. And a
worker that dies after an upload leaves the file of a job that may then fail or be cancelled. Any
number of processes may look. Deleting twice is harmless: the row is marked once the storage has
said that nothing is left, and stays locked until then, so that the job can't be started over.
"""

import structlog
from sqlalchemy import text

from app.database import Database
from app.storage import Storage

ROW_DAYS = 90

BATCH = 100
# Files of all attempts at a job, whoever made them (services/worker/src/jobs/export.ts).
FOLDER = "exports/{}/"

DUE = text(
    """
    SELECT id FROM jobs
    WHERE file_deleted_at IS NULL AND coalesce(expires_at, finished_at) <= now()
        AND (status IN ('failed', 'cancelled') AND claims > 0
            OR status = 'succeeded' AND result IS NOT NULL)
    ORDER BY coalesce(expires_at, finished_at) LIMIT 1 FOR UPDATE SKIP LOCKED
    """
)
MARK_DELETED = text("UPDATE jobs SET file_deleted_at = now() WHERE id = :id")
FORGET_JOBS = text("SELECT * FROM forget_jobs(:days)")
FORGET_KEYS = text("DELETE FROM idempotency_keys WHERE created_at < now() - interval '7 days'")

log = structlog.get_logger()


async def delete_old_files(database: Database, storage: Storage) -> int:
    """Delete the files of up to BATCH jobs; returns of how many. Raises UnavailableError."""
    for count in range(BATCH):
        async with database.transaction() as session:
            job_id = await session.scalar(DUE)
            if job_id is None:
                return count
            await storage.delete_folder(FOLDER.format(job_id))
            await session.execute(MARK_DELETED, {"id": job_id})
        log.info("job.files_deleted", job_id=str(job_id))
    return BATCH


async def forget_old_rows(database: Database) -> int:
    """Delete rows that nobody needs any more; returns how many jobs that were."""
    async with database.transaction() as session:
        await session.execute(FORGET_KEYS)
        forgotten = await session.scalar(FORGET_JOBS, {"days": ROW_DAYS})
    return forgotten or 0
