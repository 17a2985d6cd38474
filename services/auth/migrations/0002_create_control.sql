-- One row. Every change of the control log takes its number here and keeps the
-- row locked until it commits, so changes commit in the order of their numbers.
CREATE TABLE auth.control_head (
  singleton boolean DEFAULT true
    CONSTRAINT control_head_pkey PRIMARY KEY
    CONSTRAINT control_head_singleton_check CHECK (singleton),
  sequence bigint NOT NULL
);
INSERT INTO auth.control_head (sequence) VALUES (0);

CREATE TABLE auth.control_log (
  sequence bigint CONSTRAINT control_log_pkey PRIMARY KEY,
  kind text NOT NULL CONSTRAINT control_log_kind_check CHECK (kind IN ('epoch', 'revocation')),
  -- 'epoch': "user/<uuid>"; 'revocation': the UUID of the token.
  subject text NOT NULL,
  epoch bigint NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX control_log_create_time ON auth.control_log (create_time);

GRANT SELECT, UPDATE ON auth.control_head TO gatehouse_auth;
GRANT SELECT, INSERT ON auth.control_log TO gatehouse_auth;
