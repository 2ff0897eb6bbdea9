"""The role that backups read with."""

from alembic import op

from app.logins import BACKUP_ROLE

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Roles belong to the server: another database may have made them, even at this very moment.
CREATE_ROLE = f"""
DO $$ BEGIN
    CREATE ROLE {BACKUP_ROLE} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$"""
CONNECT = "DO $$ BEGIN EXECUTE format('{}', current_database()); END $$"


def upgrade() -> None:
    op.execute(CREATE_ROLE)
    op.execute(f"GRANT pg_read_all_data TO {BACKUP_ROLE}")
    # How far WAL was received.
    op.execute(f"GRANT pg_read_all_stats TO {BACKUP_ROLE}")
    op.execute(CONNECT.format(f"GRANT CONNECT ON DATABASE %I TO {BACKUP_ROLE}"))


def downgrade() -> None:
    # The role stays: another database of the server may use it.
    op.execute(CONNECT.format(f"REVOKE ALL ON DATABASE %I FROM {BACKUP_ROLE}"))
