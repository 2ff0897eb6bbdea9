"""The group roles of the API and of the worker, with no more than each needs."""

from alembic import op

from app.logins import API_ROLE, WORKER_ROLE

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BOTH = f"{API_ROLE}, {WORKER_ROLE}"

# Roles belong to the server: another database may have made them, even at this very moment.
CREATE_ROLE = """
DO $$ BEGIN
    CREATE ROLE {} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$"""

API_GRANTS = (
    "SELECT, INSERT, UPDATE, DELETE ON roles",
    "SELECT, INSERT, UPDATE ON users",
    "SELECT, INSERT, UPDATE ON jobs",
    "SELECT, INSERT, UPDATE, DELETE ON outbox",
    "SELECT, INSERT, DELETE ON idempotency_keys",
)
# Of users and roles only what is exported: no password hashes, no permissions.
WORKER_GRANTS = (
    "SELECT (id, name) ON roles",
    "SELECT (id, email, name, role_id, is_active, created_at) ON users",
    """SELECT (id, type, params, status, attempts, max_attempts, cancel_requested, lease_token,
        lease_expires_at, enqueued_at, started_at, finished_at) ON jobs""",
    """UPDATE (status, progress_done, progress_total, attempts, lease_token, lease_expires_at,
        result, error, enqueued_at, started_at, finished_at) ON jobs""",
    "INSERT (job_id, routing_key, message, headers, available_at) ON outbox",
    "EXECUTE ON FUNCTION copied_rows",
)

# PostgreSQL shows the progress of a COPY only to who logged in for it, and to superusers.
COPIED_ROWS = """
CREATE FUNCTION copied_rows(of_pid int) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog AS $$
    SELECT tuples_processed FROM pg_stat_progress_copy
    WHERE pid = of_pid AND datname = current_database()
$$"""


def on_database(statement: str) -> None:
    """Execute a statement in which %I stands for the name of this database."""
    op.execute(f"DO $$ BEGIN EXECUTE format('{statement}', current_database()); END $$")


def upgrade() -> None:
    for role in (API_ROLE, WORKER_ROLE):
        op.execute(CREATE_ROLE.format(role))
    op.execute(COPIED_ROWS)
    op.execute("REVOKE ALL ON FUNCTION copied_rows FROM PUBLIC")
    op.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {BOTH}")
    on_database("REVOKE ALL ON DATABASE %I FROM PUBLIC")
    on_database(f"GRANT CONNECT ON DATABASE %I TO {BOTH}")
    for role, grants in ((API_ROLE, API_GRANTS), (WORKER_ROLE, WORKER_GRANTS)):
        for grant in grants:
            op.execute(f"GRANT {grant} TO {role}")


def downgrade() -> None:
    # The roles stay: another database of the server may use them.
    op.execute("DROP FUNCTION copied_rows")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {BOTH}")
    op.execute(f"REVOKE ALL ON SCHEMA public FROM {BOTH}")
    op.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    on_database(f"REVOKE ALL ON DATABASE %I FROM {BOTH}")
    on_database("GRANT CONNECT, TEMPORARY ON DATABASE %I TO PUBLIC")
