-- Price books are whole: each version has every price that applies while it is in
-- force. In force is the one with the latest (effective_time, version) not after now;
-- no version is effective before its publishing began. Until its commit the one before is
-- used; the version kept with a hold or capture tells. (Version 1 has always been whole.)
ALTER TABLE billing.price_books
  ADD COLUMN notes text NOT NULL DEFAULT '',
  ADD COLUMN content_hash bytea;
CREATE INDEX price_books_effective_time ON billing.price_books (effective_time, version);
ALTER TABLE billing.prices
  ADD CONSTRAINT prices_unit_nanos_max_check CHECK (unit_nanos <= 1000000000000000),
  ADD CONSTRAINT prices_per_units_max_check CHECK (per_units <= 1000000000000);

-- Captured usage, added up by the hour. What is before the mark is in these rows, the
-- hour at the mark in part; younger captures are added when asked. Rows are written
-- again until their hour is over, so pages keep room for new versions.
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
) WITH (fillfactor = 80);
-- Captures themselves: one of several lines counts once.
CREATE TABLE billing.capture_hours (
  hour timestamptz NOT NULL,
  tenant_id bigint NOT NULL,
  tool text NOT NULL,
  cost_nanos numeric NOT NULL,
  capture_count bigint NOT NULL,
  CONSTRAINT capture_hours_pkey PRIMARY KEY (hour, tenant_id, tool)
) WITH (fillfactor = 80);
-- Work that ended, by hour.
CREATE TABLE billing.work_hours (
  hour timestamptz NOT NULL,
  tenant_id bigint NOT NULL,
  outcome text NOT NULL,
  work_count bigint NOT NULL,
  CONSTRAINT work_hours_pkey PRIMARY KEY (hour, tenant_id, outcome)
) WITH (fillfactor = 80);
-- Everything before this moment is added up.
CREATE TABLE billing.usage_mark (
  singleton boolean DEFAULT true CONSTRAINT usage_mark_pkey PRIMARY KEY
    CONSTRAINT usage_mark_singleton_check CHECK (singleton),
  mark_time timestamptz NOT NULL
);
INSERT INTO billing.usage_mark (mark_time)
SELECT date_trunc('hour', coalesce(min(create_time), now())) FROM billing.captures;

GRANT INSERT, SELECT ON billing.price_books, billing.prices TO gatehouse_billing;
GRANT INSERT, SELECT, UPDATE ON billing.usage_hours, billing.capture_hours, billing.work_hours
  TO gatehouse_billing;
GRANT SELECT, UPDATE ON billing.usage_mark TO gatehouse_billing;
