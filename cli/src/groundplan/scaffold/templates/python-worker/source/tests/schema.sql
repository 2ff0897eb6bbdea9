-- What the worker uses of the schema; the service that owns it has the migrations.
CREATE TABLE roles (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text UNIQUE NOT NULL,
  description text NOT NULL DEFAULT '',
  permissions text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

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
);

CREATE TABLE jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  type text NOT NULL,
  params jsonb NOT NULL,
  status text NOT NULL DEFAULT 'queued'
    CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  requested_by uuid NOT NULL REFERENCES users,
  priority smallint NOT NULL DEFAULT 1,
  headers jsonb NOT NULL DEFAULT '{}',
  claims int NOT NULL DEFAULT 0,
  worker_losses int NOT NULL DEFAULT 0,
  result_days int NOT NULL DEFAULT 7,
  expires_at timestamptz,
  file_deleted_at timestamptz,
  discarded_at timestamptz,
  woken_at timestamptz NOT NULL DEFAULT now(),
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
);

CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  routing_key text NOT NULL,
  message jsonb NOT NULL,
  headers jsonb NOT NULL DEFAULT '{}',
  available_at timestamptz NOT NULL DEFAULT now(),
  error text,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE job_turns (
  requested_by uuid PRIMARY KEY REFERENCES users,
  served_at timestamptz NOT NULL
);

-- All that is done to jobs, as in the migrations.
CREATE FUNCTION wake_worker(job jobs) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO outbox (job_id, routing_key, message, headers, available_at)
    VALUES (job.id, 'jobs', jsonb_build_object('job_id', job.id, 'type', job.type),
        job.headers, job.enqueued_at)
    RETURNING id
$$;

CREATE FUNCTION wake_worker_of_queued() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM wake_worker(NEW);
    RETURN NULL;
END $$;

-- The planner may have seen an empty table: a sort of 100,000 jobs would take 50 ms.
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
END $$;

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
            lease_token = token, lease_expires_at = now() + make_interval(secs => lease_seconds),
            started_at = coalesce(started_at, now()), progress_done = 0, error = NULL
        WHERE id = chosen RETURNING * INTO claimed;
        INSERT INTO job_turns VALUES (claimed.requested_by, clock_timestamp())
        ON CONFLICT (requested_by) DO UPDATE SET served_at = EXCLUDED.served_at;
    END IF;
    RETURN NEXT claimed;
END $$;

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
$$;

-- The token stays, so that a worker whose answer was lost may ask again.
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
END $$;

-- What becomes of a job whose attempt ended without success.
CREATE FUNCTION end_attempt(job_id uuid, reason text, permanent boolean, delay interval)
RETURNS text LANGUAGE sql AS $$
    UPDATE jobs SET
        status = CASE WHEN cancel_requested THEN 'cancelled'
            WHEN permanent OR attempts >= max_attempts THEN 'failed' ELSE 'queued' END,
        error = reason,
        finished_at = CASE WHEN cancel_requested OR permanent OR attempts >= max_attempts
            THEN now() END,
        worker_losses = worker_losses + CASE WHEN lease_expires_at < now() THEN 1 ELSE 0 END,
        lease_token = NULL, lease_expires_at = NULL,
        enqueued_at = now() + delay, woken_at = now() + delay
    WHERE id = job_id RETURNING status
$$;

CREATE FUNCTION holds_job(job_id uuid, token uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM jobs WHERE id = job_id AND lease_token = token AND status = 'running'
    FOR UPDATE;
    RETURN FOUND;
END $$;

-- Full jitter: attempts that failed together don't come back together.
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
END $$;

CREATE FUNCTION cancel_job(job_id uuid, token uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE jobs SET status = 'cancelled', finished_at = now(), error = NULL,
        lease_token = NULL, lease_expires_at = NULL
    WHERE id = job_id AND lease_token = token AND status = 'running' AND cancel_requested;
    RETURN FOUND;
END $$;

CREATE FUNCTION put_back_job(job_id uuid, token uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT holds_job(job_id, token) THEN
        RETURN NULL;
    END IF;
    UPDATE jobs SET attempts = attempts - 1 WHERE id = job_id;
    RETURN end_attempt(job_id, NULL, false, interval '0');
END $$;

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
END $$;

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
END $$;

CREATE TRIGGER jobs_queued AFTER INSERT ON jobs FOR EACH ROW
    WHEN (NEW.status = 'queued') EXECUTE FUNCTION wake_worker_of_queued();

CREATE TRIGGER jobs_requeued AFTER UPDATE OF status ON jobs FOR EACH ROW
    WHEN (NEW.status = 'queued' AND OLD.status <> 'queued')
    EXECUTE FUNCTION wake_worker_of_queued();

-- What the worker may do.
DO $$ BEGIN
  CREATE ROLE groundplan_worker NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

CREATE FUNCTION copied_rows(of_pid int) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog AS $$
  SELECT tuples_processed FROM pg_stat_progress_copy
  WHERE pid = of_pid AND datname = current_database()
$$;

REVOKE ALL ON FUNCTION copied_rows, wake_worker, wake_worker_of_queued, lock_next_job, end_attempt,
  holds_job, claim_job, extend_job, succeed_job, fail_job, cancel_job, put_back_job, sweep_jobs,
  forget_jobs FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO groundplan_worker;
GRANT SELECT (id, name) ON roles TO groundplan_worker;
GRANT SELECT (id, email, name, role_id, is_active, created_at) ON users TO groundplan_worker;
GRANT EXECUTE ON FUNCTION copied_rows, claim_job, extend_job, succeed_job, fail_job, cancel_job,
  put_back_job TO groundplan_worker;
