"""Priorities, fair turns, retention and dead letters of jobs, and all that a worker does to them.

A worker has no rights on tables of jobs: it calls functions, which check its claim in one place.
"""

from alembic import op

from app.logins import API_ROLE, WORKER_ROLE

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = (
    """
    ALTER TABLE jobs
        ADD priority smallint NOT NULL DEFAULT 1
            CONSTRAINT jobs_priority_check CHECK (priority BETWEEN 0 AND 2),
        ADD headers jsonb NOT NULL DEFAULT '{}',
        ADD claims int NOT NULL DEFAULT 0,
        ADD woken_at timestamptz NOT NULL DEFAULT now(),
        ADD result_days int NOT NULL DEFAULT 7
            CONSTRAINT jobs_result_days_check CHECK (result_days > 0),
        ADD expires_at timestamptz,
        ADD file_deleted_at timestamptz,
        ADD discarded_at timestamptz""",
    """
    UPDATE jobs SET claims = attempts,
        expires_at = CASE WHEN status = 'succeeded' THEN now() + interval '7 days' END""",
    "DROP INDEX jobs_open_idx",
    """
    CREATE INDEX jobs_queued_idx ON jobs (priority, requested_by, enqueued_at, id)
        WHERE status = 'queued'""",
    "CREATE INDEX jobs_running_idx ON jobs (lease_expires_at) WHERE status = 'running'",
    """
    CREATE INDEX jobs_dead_idx ON jobs (created_at, id)
        WHERE status = 'failed' AND discarded_at IS NULL""",
    """
    CREATE INDEX jobs_files_idx ON jobs (coalesce(expires_at, finished_at))
        WHERE file_deleted_at IS NULL""",
    "CREATE INDEX jobs_finished_at_idx ON jobs (finished_at)",
    """
    CREATE TABLE job_turns (
        requested_by uuid PRIMARY KEY REFERENCES users,
        served_at timestamptz NOT NULL
    )""",
)

# The functions below are also in services/worker/tests/schema.sql; a test compares them.
FUNCTIONS = (
    """
    CREATE FUNCTION wake_worker(job jobs) RETURNS bigint LANGUAGE sql AS $$
        INSERT INTO outbox (job_id, routing_key, message, headers, available_at)
        VALUES (job.id, 'jobs', jsonb_build_object('job_id', job.id, 'type', job.type),
            job.headers, job.enqueued_at)
        RETURNING id
    $$""",
    """
    CREATE FUNCTION wake_worker_of_queued() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        PERFORM wake_worker(NEW);
        RETURN NULL;
    END $$""",
    # The planner may have seen an empty table: a sort of 100,000 jobs would take 50 ms.
    """
    CREATE FUNCTION lock_next_job() RETURNS uuid LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    DECLARE
        level smallint;
        person uuid;
        found_job uuid;
    BEGIN
        FOREACH level IN ARRAY ARRAY[2, 1, 0]::smallint[] LOOP
            FOR person IN
                WITH RECURSIVE waiting (requested_by) AS (
                    (SELECT jobs.requested_by FROM jobs
                     WHERE status = 'queued' AND priority = level
                     ORDER BY jobs.requested_by LIMIT 1)
                    UNION ALL
                    SELECT (SELECT jobs.requested_by FROM jobs
                            WHERE status = 'queued' AND priority = level
                                AND jobs.requested_by > waiting.requested_by
                            ORDER BY jobs.requested_by LIMIT 1)
                    FROM waiting WHERE waiting.requested_by IS NOT NULL
                )
                SELECT requested_by FROM waiting LEFT JOIN job_turns USING (requested_by)
                WHERE requested_by IS NOT NULL
                ORDER BY served_at NULLS FIRST, requested_by
            LOOP
                SELECT id INTO found_job FROM jobs
                WHERE status = 'queued' AND priority = level AND requested_by = person
                    AND enqueued_at <= now()
                ORDER BY enqueued_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
                IF FOUND THEN
                    RETURN found_job;
                END IF;
            END LOOP;
        END LOOP;
        RETURN NULL;
    END $$""",
    """
    CREATE FUNCTION claim_job(token uuid, lease_seconds float8) RETURNS SETOF jobs
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        chosen uuid;
        claimed jobs;
    BEGIN
        -- The answer to an earlier call with this token may have been lost.
        SELECT * INTO claimed FROM jobs WHERE status = 'running' AND lease_token = token;
        IF NOT FOUND THEN
            chosen := lock_next_job();
            IF chosen IS NULL THEN
                RETURN;
            END IF;
            UPDATE jobs SET status = 'running', attempts = attempts + 1, claims = claims + 1,
                lease_token = token,
                lease_expires_at = now() + make_interval(secs => lease_seconds),
                started_at = coalesce(started_at, now()), progress_done = 0, error = NULL
            WHERE id = chosen RETURNING * INTO claimed;
            INSERT INTO job_turns VALUES (claimed.requested_by, clock_timestamp())
            ON CONFLICT (requested_by) DO UPDATE SET served_at = EXCLUDED.served_at;
        END IF;
        RETURN NEXT claimed;
    END $$""",
    """
    CREATE FUNCTION extend_job(
        job_id uuid, token uuid, lease_seconds float8, done bigint, total bigint
    ) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        WITH held AS (
            UPDATE jobs SET progress_done = done, progress_total = total,
                lease_expires_at = now() + make_interval(secs => lease_seconds)
            WHERE id = job_id AND lease_token = token AND status = 'running'
            RETURNING CASE WHEN cancel_requested THEN 'cancel' ELSE 'held' END AS answer
        )
        SELECT coalesce((SELECT answer FROM held), 'lost')
    $$""",
    # The token stays, so that a worker whose answer was lost may ask again.
    """
    CREATE FUNCTION succeed_job(job_id uuid, token uuid, file jsonb, done bigint, total bigint)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE jobs SET status = 'succeeded', result = file, error = NULL,
            progress_done = done, progress_total = total, lease_expires_at = NULL,
            finished_at = coalesce(finished_at, now()),
            expires_at = CASE WHEN file IS NOT NULL
                THEN coalesce(finished_at, now()) + make_interval(days => result_days) END
        WHERE id = job_id AND lease_token = token AND status IN ('running', 'succeeded');
        RETURN FOUND;
    END $$""",
    # What becomes of a job whose attempt ended without success.
    """
    CREATE FUNCTION end_attempt(job_id uuid, reason text, permanent boolean, delay interval)
    RETURNS text LANGUAGE sql AS $$
        UPDATE jobs SET
            status = CASE WHEN cancel_requested THEN 'cancelled'
                WHEN permanent OR attempts >= max_attempts THEN 'failed' ELSE 'queued' END,
            error = reason,
            finished_at = CASE WHEN cancel_requested OR permanent OR attempts >= max_attempts
                THEN now() END,
            lease_token = NULL, lease_expires_at = NULL,
            enqueued_at = now() + delay, woken_at = now() + delay
        WHERE id = job_id RETURNING status
    $$""",
    """
    CREATE FUNCTION holds_job(job_id uuid, token uuid) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM FROM jobs WHERE id = job_id AND lease_token = token AND status = 'running'
        FOR UPDATE;
        RETURN FOUND;
    END $$""",
    # Full jitter: attempts that failed together don't come back together.
    """
    CREATE FUNCTION fail_job(job_id uuid, token uuid, reason text, permanent boolean)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        failures int;
    BEGIN
        IF NOT holds_job(job_id, token) THEN
            RETURN NULL;
        END IF;
        SELECT attempts INTO failures FROM jobs WHERE id = job_id;
        RETURN end_attempt(job_id, reason, permanent,
            make_interval(secs => random() * least(60, 4 ^ (failures - 1))));
    END $$""",
    """
    CREATE FUNCTION cancel_job(job_id uuid, token uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE jobs SET status = 'cancelled', finished_at = now(), error = NULL,
            lease_token = NULL, lease_expires_at = NULL
        WHERE id = job_id AND lease_token = token AND status = 'running' AND cancel_requested;
        RETURN FOUND;
    END $$""",
    """
    CREATE FUNCTION put_back_job(job_id uuid, token uuid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF NOT holds_job(job_id, token) THEN
            RETURN NULL;
        END IF;
        UPDATE jobs SET attempts = attempts - 1 WHERE id = job_id;
        RETURN end_attempt(job_id, NULL, false, interval '0');
    END $$""",
    """
    CREATE FUNCTION sweep_jobs(OUT expired int, OUT lost int)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        -- A worker that died or lost its connection stops extending its lease.
        SELECT count(end_attempt(id, CASE WHEN attempts < max_attempts
            THEN 'The worker stopped; the job was queued again.'
            ELSE 'The worker stopped ' || attempts || ' times while it worked on this.' END,
            false, interval '0'))
        INTO expired FROM (
            SELECT id, attempts, max_attempts FROM jobs
            WHERE status = 'running' AND lease_expires_at < now()
            ORDER BY lease_expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
        ) AS silent;
        -- The broker may have lost its messages; while jobs are claimed, it has some.
        WITH woken AS (
            UPDATE jobs SET woken_at = now() WHERE id IN (
                SELECT id FROM jobs
                WHERE status = 'queued' AND woken_at < now() - interval '60 seconds'
                    AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id)
                    AND NOT EXISTS (SELECT FROM job_turns
                        WHERE served_at > now() - interval '60 seconds')
                ORDER BY woken_at LIMIT 1000 FOR UPDATE SKIP LOCKED
            ) RETURNING jobs AS job
        )
        SELECT count(wake_worker(job)) INTO lost FROM woken;
    END $$""",
    """
    CREATE FUNCTION forget_jobs(days int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        forgotten uuid[];
    BEGIN
        SELECT array_agg(id) INTO forgotten FROM (
            SELECT id FROM jobs WHERE finished_at < now() - make_interval(days => days)
                AND (result IS NULL OR file_deleted_at IS NOT NULL)
            ORDER BY finished_at LIMIT 1000 FOR UPDATE SKIP LOCKED
        ) AS old;
        DELETE FROM idempotency_keys WHERE job_id = ANY (forgotten);
        DELETE FROM jobs WHERE id = ANY (forgotten);
        RETURN coalesce(cardinality(forgotten), 0);
    END $$""",
)

TRIGGERS = (
    """
    CREATE TRIGGER jobs_queued AFTER INSERT ON jobs FOR EACH ROW
        WHEN (NEW.status = 'queued') EXECUTE FUNCTION wake_worker_of_queued()""",
    """
    CREATE TRIGGER jobs_requeued AFTER UPDATE OF status ON jobs FOR EACH ROW
        WHEN (NEW.status = 'queued' AND OLD.status <> 'queued')
        EXECUTE FUNCTION wake_worker_of_queued()""",
    """
    CREATE OR REPLACE TRIGGER jobs_changed AFTER UPDATE ON jobs FOR EACH ROW
        WHEN ((OLD.status, OLD.progress_done, OLD.progress_total, OLD.error, OLD.result,
               OLD.cancel_requested, OLD.file_deleted_at, OLD.discarded_at)
              IS DISTINCT FROM
              (NEW.status, NEW.progress_done, NEW.progress_total, NEW.error, NEW.result,
               NEW.cancel_requested, NEW.file_deleted_at, NEW.discarded_at))
        EXECUTE FUNCTION notify_job_changed()""",
)

INNER_FUNCTIONS = "wake_worker, wake_worker_of_queued, lock_next_job, end_attempt, holds_job"
WORKER_FUNCTIONS = "claim_job, extend_job, succeed_job, fail_job, cancel_job, put_back_job"
API_FUNCTIONS = "sweep_jobs, forget_jobs"

# What workers could do before.
OF_WORKERS = """SELECT (id, type, params, status, attempts, max_attempts, cancel_requested,
    lease_token, lease_expires_at, enqueued_at, started_at, finished_at),
    UPDATE (status, progress_done, progress_total, attempts, lease_token, lease_expires_at,
    result, error, enqueued_at, started_at, finished_at)"""

RIGHTS = (
    f"REVOKE ALL ON FUNCTION {INNER_FUNCTIONS}, {WORKER_FUNCTIONS}, {API_FUNCTIONS} FROM PUBLIC",
    f"REVOKE ALL ON jobs, outbox FROM {WORKER_ROLE}",
    # Privileges of columns are revoked by their names only.
    f"REVOKE {OF_WORKERS} ON jobs FROM {WORKER_ROLE}",
    f"""REVOKE INSERT (job_id, routing_key, message, headers, available_at) ON outbox
        FROM {WORKER_ROLE}""",
    f"GRANT EXECUTE ON FUNCTION {WORKER_FUNCTIONS} TO {WORKER_ROLE}",
    f"GRANT EXECUTE ON FUNCTION {API_FUNCTIONS} TO {API_ROLE}",
)


def upgrade() -> None:
    for statement in TABLES + FUNCTIONS + TRIGGERS + RIGHTS:
        op.execute(statement)


DOWN = (
    "DROP TRIGGER jobs_queued ON jobs",
    "DROP TRIGGER jobs_requeued ON jobs",
    """
    CREATE OR REPLACE TRIGGER jobs_changed AFTER UPDATE ON jobs FOR EACH ROW
        WHEN ((OLD.status, OLD.progress_done, OLD.progress_total, OLD.error, OLD.result,
               OLD.cancel_requested)
              IS DISTINCT FROM
              (NEW.status, NEW.progress_done, NEW.progress_total, NEW.error, NEW.result,
               NEW.cancel_requested))
        EXECUTE FUNCTION notify_job_changed()""",
    f"DROP FUNCTION {API_FUNCTIONS}, {WORKER_FUNCTIONS}, {INNER_FUNCTIONS}",
    "DROP TABLE job_turns",
    """
    DROP INDEX jobs_queued_idx, jobs_running_idx, jobs_dead_idx, jobs_files_idx,
        jobs_finished_at_idx""",
    """
    CREATE INDEX jobs_open_idx ON jobs (status, enqueued_at)
        WHERE status IN ('queued','running')""",
    """
    ALTER TABLE jobs DROP priority, DROP headers, DROP claims, DROP woken_at, DROP result_days,
        DROP expires_at, DROP file_deleted_at, DROP discarded_at""",
    f"GRANT {OF_WORKERS} ON jobs TO {WORKER_ROLE}",
    f"""GRANT INSERT (job_id, routing_key, message, headers, available_at) ON outbox
        TO {WORKER_ROLE}""",
)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
