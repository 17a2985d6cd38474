-- Money set aside, by the caller's key. A row is written once per key and then
-- only moved through its states; the answer to Reserve can be made again from it.
CREATE TABLE billing.holds (
  key uuid CONSTRAINT holds_pkey PRIMARY KEY,
  tenant_id bigint NOT NULL
    CONSTRAINT holds_tenant_id_fkey REFERENCES billing.accounts (tenant_id),
  request_hash bytea NOT NULL
    CONSTRAINT holds_request_hash_check CHECK (octet_length(request_hash) = 32),
  state text NOT NULL
    CONSTRAINT holds_state_check
    CHECK (state IN ('reserved', 'bound', 'captured', 'released', 'expired')),
  estimate_nanos bigint NOT NULL
    CONSTRAINT holds_estimate_nanos_check CHECK (estimate_nanos >= 0),
  held_nanos bigint NOT NULL
    CONSTRAINT holds_held_nanos_check CHECK (held_nanos BETWEEN 0 AND estimate_nanos),
  captured_nanos bigint NOT NULL DEFAULT 0
    CONSTRAINT holds_captured_nanos_check CHECK (captured_nanos >= 0),
  capture_count int NOT NULL DEFAULT 0
    CONSTRAINT holds_capture_count_check CHECK (capture_count >= 0),
  estimate_lines jsonb NOT NULL,
  price_version int NOT NULL,
  -- What was decided on the estimate, by which policy and why.
  policy text NOT NULL
    CONSTRAINT holds_policy_check CHECK (policy IN ('block', 'warn', 'limited')),
  decision text NOT NULL
    CONSTRAINT holds_decision_check CHECK (decision IN ('allowed', 'warned')),
  decision_reason text NOT NULL,
  expire_time timestamptz NOT NULL,
  bind_time timestamptz,
  create_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT holds_open_check CHECK (state IN ('reserved', 'bound') OR held_nanos = 0)
);
CREATE INDEX holds_expire_time ON billing.holds (expire_time) WHERE state = 'reserved';

-- Usage booked against a hold; a number is used once.
CREATE TABLE billing.captures (
  hold_key uuid NOT NULL
    CONSTRAINT captures_hold_key_fkey REFERENCES billing.holds (key),
  capture_number bigint NOT NULL,
  request_hash bytea NOT NULL
    CONSTRAINT captures_request_hash_check CHECK (octet_length(request_hash) = 32),
  amount_nanos bigint NOT NULL
    CONSTRAINT captures_amount_nanos_check CHECK (amount_nanos >= 0),
  usage_lines jsonb NOT NULL,
  entry_id uuid
    CONSTRAINT captures_entry_id_key UNIQUE
    CONSTRAINT captures_entry_id_fkey REFERENCES billing.ledger_entries (id),
  response bytea NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT captures_pkey PRIMARY KEY (hold_key, capture_number),
  CONSTRAINT captures_entry_id_check CHECK ((amount_nanos > 0) = (entry_id IS NOT NULL))
);

GRANT SELECT, INSERT, UPDATE ON billing.holds TO gatehouse_billing;
GRANT SELECT, INSERT ON billing.captures TO gatehouse_billing;
