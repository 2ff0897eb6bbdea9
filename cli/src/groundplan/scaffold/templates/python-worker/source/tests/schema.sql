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

REVOKE ALL ON FUNCTION copied_rows FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO groundplan_worker;
GRANT SELECT (id, name) ON roles TO groundplan_worker;
GRANT SELECT (id, email, name, role_id, is_active, created_at) ON users TO groundplan_worker;
GRANT SELECT (
  id, type, params, status, attempts, max_attempts, cancel_requested, lease_token,
  lease_expires_at, enqueued_at, started_at, finished_at
) ON jobs TO groundplan_worker;
GRANT UPDATE (
  status, progress_done, progress_total, attempts, lease_token, lease_expires_at, result, error,
  enqueued_at, started_at, finished_at
) ON jobs TO groundplan_worker;
GRANT INSERT (job_id, routing_key, message, headers, available_at) ON outbox TO groundplan_worker;
GRANT EXECUTE ON FUNCTION copied_rows TO groundplan_worker;
