-- One row that the process writes each second: it is ready while the database takes
-- writes. Half of the page is left free, so that new versions stay on it.
CREATE TABLE billing.readiness_probe (
  singleton boolean DEFAULT true
    CONSTRAINT readiness_probe_pkey PRIMARY KEY
    CONSTRAINT readiness_probe_singleton_check CHECK (singleton),
  probe_time timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
INSERT INTO billing.readiness_probe DEFAULT VALUES;

GRANT SELECT, UPDATE ON billing.readiness_probe TO gatehouse_billing;
