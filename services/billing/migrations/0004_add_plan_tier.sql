-- The tenant's plan. Each change takes the next version, by which auth tells old
-- news from new.
ALTER TABLE billing.accounts
  ADD COLUMN plan_tier text NOT NULL DEFAULT 'free'
    CONSTRAINT accounts_plan_tier_check
    CHECK (plan_tier IN ('free', 'starter', 'professional', 'enterprise')),
  ADD COLUMN tier_version bigint NOT NULL DEFAULT 0
    CONSTRAINT accounts_tier_version_check CHECK (tier_version >= 0);

CREATE TABLE billing.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
  subject text NOT NULL,
  kind text NOT NULL,
  payload bytea NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_time timestamptz NOT NULL DEFAULT now(),
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_subject ON billing.outbox (subject, id);

GRANT UPDATE (plan_tier, tier_version) ON billing.accounts TO gatehouse_billing;
GRANT SELECT, INSERT, UPDATE, DELETE ON billing.outbox TO gatehouse_billing;
