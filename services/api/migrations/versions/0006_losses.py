"""How many workers each job has lost, so that one which may end the next runs apart from others."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The function is also in services/worker/tests/schema.sql; a test compares them.
END_ATTEMPT = """
    CREATE OR REPLACE FUNCTION end_attempt(
        job_id uuid, reason text, permanent boolean, delay interval
    ) RETURNS text LANGUAGE sql AS $$
        UPDATE jobs SET
            status = CASE WHEN cancel_requested THEN 'cancelled'
                WHEN permanent OR attempts >= max_attempts THEN 'failed' ELSE 'queued' END,
            error = reason,
            finished_at = CASE WHEN cancel_requested OR permanent OR attempts >= max_attempts
                THEN now() END,{losses}
            lease_token = NULL, lease_expires_at = NULL,
            enqueued_at = now() + delay, woken_at = now() + delay
        WHERE id = job_id RETURNING status
    $$"""
LOSSES = """
            worker_losses = worker_losses + CASE WHEN lease_expires_at < now() THEN 1 ELSE 0 END,"""


def upgrade() -> None:
    op.execute("ALTER TABLE jobs ADD worker_losses int NOT NULL DEFAULT 0")
    op.execute(END_ATTEMPT.format(losses=LOSSES))


def downgrade() -> None:
    op.execute(END_ATTEMPT.format(losses=""))
    op.execute("ALTER TABLE jobs DROP worker_losses")
