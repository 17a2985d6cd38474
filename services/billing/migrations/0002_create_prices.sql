-- The price book. The book in force is the newest version whose time has come;
-- the price of a thing in it is its newest one up to that version. So a version
-- number on a ledger entry tells every price that was charged.
CREATE TABLE billing.price_books (
  version int CONSTRAINT price_books_pkey PRIMARY KEY
    CONSTRAINT price_books_version_check CHECK (version > 0),
  effective_time timestamptz NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE billing.prices (
  line_type text NOT NULL
    CONSTRAINT prices_line_type_check CHECK (line_type IN
      ('prompt_tokens', 'completion_tokens', 'embedding_tokens', 'per_request', 'per_mb_storage',
       'per_job', 'per_document', 'compute_seconds')),
  resource text NOT NULL CONSTRAINT prices_resource_check CHECK (resource <> ''),
  version int NOT NULL
    CONSTRAINT prices_version_fkey REFERENCES billing.price_books (version),
  -- What per_units of it cost.
  unit_nanos bigint NOT NULL CONSTRAINT prices_unit_nanos_check CHECK (unit_nanos >= 0),
  per_units bigint NOT NULL CONSTRAINT prices_per_units_check CHECK (per_units > 0),
  CONSTRAINT prices_pkey PRIMARY KEY (line_type, resource, version)
);

INSERT INTO billing.price_books (version, effective_time) VALUES (1, '2020-01-01T00:00:00Z');
INSERT INTO billing.prices (line_type, resource, version, unit_nanos, per_units) VALUES
  ('per_job', 'text.stats', 1, 20000000, 1),
  ('per_job', 'sleep', 1, 0, 1),
  ('per_request', 'api', 1, 1000000000, 100000),
  ('per_mb_storage', 'storage', 1, 25000000, 1024),
  ('per_document', 'document', 1, 5000000, 1),
  ('compute_seconds', 'cpu', 1, 90000000, 3600);

GRANT SELECT ON billing.price_books, billing.prices TO gatehouse_billing;
