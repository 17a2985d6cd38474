-- Jobs, their timeline, the sessions of workers, and what is owed to billing.

CREATE SEQUENCE jobs.fencing_tokens AS bigint;

-- A worker's session. Its lease covers every job that it runs; times are the
-- database's.
CREATE TABLE jobs.worker_sessions (
  id uuid CONSTRAINT worker_sessions_pkey PRIMARY KEY,
  name text NOT NULL,
  lease_expire_time timestamptz NOT NULL,
  heartbeat_time timestamptz NOT NULL DEFAULT now(),
  create_time timestamptz NOT NULL DEFAULT now());

CREATE INDEX worker_sessions_by_expiry ON jobs.worker_sessions (lease_expire_time);

CREATE TABLE jobs.jobs (
  id uuid CONSTRAINT jobs_pkey PRIMARY KEY,
  tenant_id bigint NOT NULL CONSTRAINT jobs_tenant_check CHECK (tenant_id > 0),
  user_id text NOT NULL,
  type text NOT NULL,
  state text NOT NULL CONSTRAINT jobs_state_check
    CHECK (state IN ('queued', 'running', 'success', 'failed', 'cancelled')),
  trigger text NOT NULL CONSTRAINT jobs_trigger_check
    CHECK (trigger IN ('api', 'schedule', 'system', 'retry')),
  -- JSON as it was sent: jsonb would refuse an escaped NUL and reorder keys.
  payload text NOT NULL,
  result text NOT NULL DEFAULT '',
  error text NOT NULL DEFAULT '',
  priority int NOT NULL CONSTRAINT jobs_priority_check CHECK (priority BETWEEN 0 AND 9),
  attempts int NOT NULL DEFAULT 0,
  attempts_max int NOT NULL
    CONSTRAINT jobs_attempts_max_check CHECK (attempts_max BETWEEN 1 AND 25),
  idempotency_key text,
  request_hash bytea NOT NULL,
  unique_key text,
  cancel_requested boolean NOT NULL DEFAULT false,
  trace_id text NOT NULL,
  lease_session uuid CONSTRAINT jobs_lease_session_fkey REFERENCES jobs.worker_sessions (id),
  -- Of the latest claim; 0 before the first.
  fencing_token bigint NOT NULL DEFAULT 0,
  -- open: not ended; pending: billing has not confirmed the last message;
  -- settled: it has. cost_nanos is what was captured so far.
  settle_state text NOT NULL DEFAULT 'open' CONSTRAINT jobs_settle_state_check
    CHECK (settle_state IN ('open', 'pending', 'settled')),
  -- The last message to billing, for the sweeper to send again.
  settle_kind text,
  settle_payload bytea,
  -- The latest capture that billing confirmed.
  captured_number bigint NOT NULL DEFAULT 0,
  cost_nanos bigint,
  create_time timestamptz NOT NULL DEFAULT now(),
  run_time timestamptz NOT NULL,
  start_time timestamptz,
  end_time timestamptz,
  CONSTRAINT jobs_idempotency_key_key UNIQUE (tenant_id, idempotency_key),
  CONSTRAINT jobs_leased_check CHECK ((state = 'running') = (lease_session IS NOT NULL)),
  CONSTRAINT jobs_ended_check
    CHECK ((state IN ('success', 'failed', 'cancelled')) = (end_time IS NOT NULL)),
  CONSTRAINT jobs_settle_check CHECK ((end_time IS NULL) = (settle_state = 'open')),
  CONSTRAINT jobs_settle_message_check CHECK ((settle_kind IS NULL) = (settle_state = 'open')));

CREATE INDEX jobs_ready ON jobs.jobs (priority DESC, run_time, id) WHERE state = 'queued';
CREATE INDEX jobs_leased ON jobs.jobs (lease_session) WHERE lease_session IS NOT NULL;
CREATE INDEX jobs_unsettled ON jobs.jobs (end_time) WHERE settle_state = 'pending';
CREATE UNIQUE INDEX jobs_unique_key ON jobs.jobs (tenant_id, unique_key)
  WHERE unique_key IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX jobs_by_tenant ON jobs.jobs (tenant_id, create_time DESC, id DESC);
CREATE INDEX jobs_by_time ON jobs.jobs (create_time DESC, id DESC);

-- The timeline. Append-only. All writers hold the job's row lock, so within a
-- job the sequence is the order of commits.
CREATE TABLE jobs.job_events (
  sequence bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT job_events_pkey PRIMARY KEY,
  job_id uuid NOT NULL,
  tenant_id bigint NOT NULL,
  level text NOT NULL CONSTRAINT job_events_level_check
    CHECK (level IN ('debug', 'info', 'warning', 'error')),
  source text NOT NULL CONSTRAINT job_events_source_check
    CHECK (source IN ('api', 'queue', 'worker', 'billing')),
  message text NOT NULL,
  data jsonb NOT NULL DEFAULT '{}',
  create_time timestamptz NOT NULL DEFAULT clock_timestamp());

CREATE INDEX job_events_by_job ON jobs.job_events (job_id, sequence);

-- Messages to billing, in order per job.
CREATE TABLE jobs.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
  subject text NOT NULL,
  kind text NOT NULL,
  payload bytea NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_time timestamptz NOT NULL DEFAULT now(),
  create_time timestamptz NOT NULL DEFAULT now());

CREATE INDEX outbox_by_subject ON jobs.outbox (subject, id);

-- The event feed, in commit order by (transaction_id, sequence).
CREATE TABLE jobs.events (
  transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
  sequence bigint GENERATED ALWAYS AS IDENTITY,
  tenant_id bigint NOT NULL,
  user_id text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  data jsonb NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT events_pkey PRIMARY KEY (transaction_id, sequence));

CREATE TABLE jobs.feed (incarnation bigint NOT NULL);
INSERT INTO jobs.feed (incarnation) VALUES (1);

GRANT USAGE ON SCHEMA jobs TO gatehouse_jobs;
GRANT USAGE ON SEQUENCE jobs.fencing_tokens TO gatehouse_jobs;
GRANT SELECT, INSERT, UPDATE ON jobs.jobs TO gatehouse_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.worker_sessions, jobs.outbox TO gatehouse_jobs;
GRANT SELECT, INSERT ON jobs.job_events, jobs.events TO gatehouse_jobs;
GRANT SELECT ON jobs.feed TO gatehouse_jobs;
