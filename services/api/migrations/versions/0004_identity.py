"""Second factors, one-time links, mails to send and the audit log."""

from alembic import op

from app.logins import API_ROLE

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    """
    ALTER TABLE users
        ADD COLUMN second_factor boolean NOT NULL DEFAULT false,
        ADD COLUMN totp_secret text,
        ADD COLUMN totp_last_step bigint,
        ADD CONSTRAINT users_second_factor_check
            CHECK (NOT second_factor OR totp_secret IS NOT NULL)
    """,
    """
    CREATE TABLE recovery_codes (
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        code_hash text NOT NULL,
        PRIMARY KEY (user_id, code_hash)
    )""",
    """
    CREATE TABLE one_time_links (
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        kind text NOT NULL CONSTRAINT one_time_links_kind_check
            CHECK (kind IN ('password_reset','invitation')),
        token_hash text UNIQUE NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (user_id, kind)
    )""",
    """
    CREATE TABLE mails (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL CONSTRAINT mails_kind_check
            CHECK (kind IN ('password_reset','invitation')),
        recipient text NOT NULL,
        address text,
        request_id text,
        attempts int NOT NULL DEFAULT 0,
        error text,
        available_at timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE INDEX mails_available_at_id_idx ON mails (available_at, id)",
    # Without foreign keys: what happened stays, whatever becomes of those it happened to.
    """
    CREATE TABLE audit_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        event text NOT NULL,
        actor_id uuid,
        subject_type text,
        subject_id uuid,
        address text,
        request_id text,
        details jsonb NOT NULL DEFAULT '{}'
    )""",
    "CREATE INDEX audit_events_event_id_idx ON audit_events (event, id)",
    "CREATE INDEX audit_events_actor_id_id_idx ON audit_events (actor_id, id)",
    "CREATE INDEX audit_events_subject_id_id_idx ON audit_events (subject_id, id)",
    # Where an account signed in before.
    """
    CREATE INDEX audit_events_login_idx ON audit_events (actor_id, address)
        WHERE event = 'auth.login'""",
)

# Holds for the owner, too, who would have to disable the triggers first.
APPEND_ONLY = (
    """
    CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
    END $$""",
    """
    CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
        FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()""",
    """
    CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()""",
)

API_GRANTS = (
    "SELECT, INSERT, DELETE ON recovery_codes",
    "SELECT, INSERT, UPDATE, DELETE ON one_time_links",
    "SELECT, INSERT, UPDATE, DELETE ON mails",
    "SELECT, INSERT ON audit_events",
)


def upgrade() -> None:
    for statement in TABLES + APPEND_ONLY:
        op.execute(statement)
    for grant in API_GRANTS:
        op.execute(f"GRANT {grant} TO {API_ROLE}")


def downgrade() -> None:
    op.execute("DROP TABLE audit_events, mails, one_time_links, recovery_codes")
    op.execute("DROP FUNCTION refuse_audit_change")
    op.execute(
        "ALTER TABLE users DROP COLUMN second_factor, DROP COLUMN totp_secret,"
        " DROP COLUMN totp_last_step"
    )
