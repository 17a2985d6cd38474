-- Price books are whole: each version has every price that applies while it is in
-- force. In force is the one with the latest (effective_time, version) not after now;
-- no version is effective before it was published, so what a version meant at a time
-- never changes. (Version 1 has always been whole.)
ALTER TABLE billing.price_books
  ADD COLUMN notes text NOT NULL DEFAULT '',
  ADD COLUMN content_hash bytea;
CREATE INDEX price_books_effective_time ON billing.price_books (effective_time, version);
ALTER TABLE billing.prices
  ADD CONSTRAINT prices_unit_nanos_max_check CHECK (unit_nanos <= 1000000000000000),
  ADD CONSTRAINT prices_per_units_max_check CHECK (per_units <= 1000000000000);

-- Captured usage, added up by the hour. A capture is counted once its hour's rows were
-- written and the hour is behind the mark; younger captures are added when asked.
CREATE TABLE billing.usage_hours (
  hour timestamptz NOT NULL,
  tenant_id bigint NOT NULL,
  tool text NOT NULL,
  line_type text NOT NULL,
  resource text NOT NULL,
  quantity numeric NOT NULL,
  cost_nanos numeric NOT NULL,
  line_count bigint NOT NULL,
  CONSTRAINT usage_hours_pkey PRIMARY KEY (hour, tenant_id, tool, line_type, resource)
);
-- Captures themselves: one of several lines counts once.
CREATE TABLE billing.capture_hours (
  hour timestamptz NOT NULL,
  tenant_id bigint NOT NULL,
  tool text NOT NULL,
  cost_nanos numeric NOT NULL,
  capture_count bigint NOT NULL,
  CONSTRAINT capture_hours_pkey PRIMARY KEY (hour, tenant_id, tool)
);
-- Work that ended, by hour.
CREATE TABLE billing.work_hours (
  hour timestamptz NOT NULL,
  tenant_id bigint NOT NULL,
  outcome text NOT NULL,
  work_count bigint NOT NULL,
  CONSTRAINT work_hours_pkey PRIMARY KEY (hour, tenant_id, outcome)
);
-- Hours before this one are added up.
CREATE TABLE billing.usage_mark (
  singleton boolean DEFAULT true CONSTRAINT usage_mark_pkey PRIMARY KEY
    CONSTRAINT usage_mark_singleton_check CHECK (singleton),
  hour timestamptz NOT NULL
);
INSERT INTO billing.usage_mark (hour)
SELECT date_trunc('hour', coalesce(min(create_time), now())) FROM billing.captures;

GRANT INSERT, SELECT ON billing.price_books, billing.prices TO gatehouse_billing;
GRANT INSERT, SELECT ON billing.usage_hours, billing.capture_hours, billing.work_hours
  TO gatehouse_billing;
GRANT SELECT, UPDATE ON billing.usage_mark TO gatehouse_billing;
