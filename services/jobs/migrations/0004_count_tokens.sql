-- What a job's captures counted, added when each of them is owed to billing; and the
-- indexes by which a tenant's activity is found without reading its jobs.
ALTER TABLE jobs.jobs
  ADD COLUMN tokens_in bigint NOT NULL DEFAULT 0,
  ADD COLUMN tokens_out bigint NOT NULL DEFAULT 0;

CREATE INDEX jobs_unfinished ON jobs.jobs (tenant_id, state)
  WHERE state IN ('queued', 'running');
CREATE INDEX jobs_with_tokens ON jobs.jobs (tenant_id, create_time) INCLUDE (tokens_in, tokens_out)
  WHERE tokens_in > 0 OR tokens_out > 0;
