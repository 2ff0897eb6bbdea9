"""Users, roles, jobs, outbox, idempotency keys and the notifications of their changes."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# One statement each: asyncpg prepares statements one by one.
TABLES = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    """
    CREATE TABLE roles (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text UNIQUE NOT NULL,
        description text NOT NULL DEFAULT '',
        permissions text[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )""",
    """
    CREATE TABLE users (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        email text NOT NULL,
        name text NOT NULL,
        password_hash text NOT NULL,
        role_id uuid NOT NULL REFERENCES roles,
        is_active boolean NOT NULL DEFAULT true,
        session_version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE UNIQUE INDEX users_email_key ON users (lower(email))",
    "CREATE INDEX users_name_id_idx ON users (name, id)",
    "CREATE INDEX users_created_at_id_idx ON users (created_at, id)",
    "CREATE INDEX users_role_id_idx ON users (role_id)",
    # Two, and not one of both columns: a restore builds them side by side.
    "CREATE INDEX users_email_search_idx ON users USING gin (email gin_trgm_ops)",
    "CREATE INDEX users_name_search_idx ON users USING gin (name gin_trgm_ops)",
    """
    CREATE TABLE jobs (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        type text NOT NULL,
        params jsonb NOT NULL,
        status text NOT NULL DEFAULT 'queued' CONSTRAINT jobs_status_check
            CHECK (status IN ('queued','running','succeeded','failed','cancelled')),
        requested_by uuid NOT NULL REFERENCES users,
        progress_done bigint NOT NULL DEFAULT 0,
        progress_total bigint,
        attempts int NOT NULL DEFAULT 0,
        max_attempts int NOT NULL DEFAULT 5,
        cancel_requested boolean NOT NULL DEFAULT false,
        lease_token uuid,
        lease_expires_at timestamptz,
        result jsonb,
        error text,
        enqueued_at timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now(),
        started_at timestamptz,
        finished_at timestamptz
    )""",
    "CREATE INDEX jobs_created_at_id_idx ON jobs (created_at, id)",
    """
    CREATE INDEX jobs_requested_by_created_at_id_idx ON jobs (requested_by, created_at, id)
    """,
    """
    CREATE INDEX jobs_open_idx ON jobs (status, enqueued_at)
        WHERE status IN ('queued','running')""",
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
        routing_key text NOT NULL,
        message jsonb NOT NULL,
        headers jsonb NOT NULL DEFAULT '{}',
        available_at timestamptz NOT NULL DEFAULT now(),
        error text,
        created_at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE INDEX outbox_available_at_id_idx ON outbox (available_at, id)",
    "CREATE INDEX outbox_job_id_idx ON outbox (job_id)",
    """
    CREATE TABLE idempotency_keys (
        user_id uuid NOT NULL,
        key text NOT NULL,
        fingerprint text NOT NULL,
        job_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, key)
    )""",
    "CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at)",
)

TRIGGERS = (
    """
    CREATE FUNCTION notify_job_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('job_changed', NEW.id::text);
        RETURN NULL;
    END $$""",
    """
    CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs
        FOR EACH ROW EXECUTE FUNCTION notify_job_changed()""",
    """
    CREATE TRIGGER jobs_changed AFTER UPDATE ON jobs FOR EACH ROW
        WHEN ((OLD.status, OLD.progress_done, OLD.progress_total, OLD.error, OLD.result,
               OLD.cancel_requested)
              IS DISTINCT FROM
              (NEW.status, NEW.progress_done, NEW.progress_total, NEW.error, NEW.result,
               NEW.cancel_requested))
        EXECUTE FUNCTION notify_job_changed()""",
    """
    CREATE FUNCTION notify_outbox_added() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('outbox_added', '');
        RETURN NULL;
    END $$""",
    """
    CREATE TRIGGER outbox_added AFTER INSERT ON outbox
        FOR EACH STATEMENT EXECUTE FUNCTION notify_outbox_added()""",
)


def upgrade() -> None:
    for statement in TABLES + TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE idempotency_keys, outbox, jobs, users, roles")
    op.execute("DROP FUNCTION notify_job_changed, notify_outbox_added")
