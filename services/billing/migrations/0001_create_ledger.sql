-- One row per tenant: the only balances that are kept. Every other account is a
-- sum over the ledger, or all tenants would share its one hot row.
CREATE TABLE billing.accounts (
  tenant_id bigint CONSTRAINT accounts_pkey PRIMARY KEY
    CONSTRAINT accounts_tenant_id_check CHECK (tenant_id > 0),
  -- The bounds keep settled - held + one amount within a bigint.
  settled_nanos bigint NOT NULL DEFAULT 0
    CONSTRAINT accounts_settled_nanos_check
    CHECK (settled_nanos BETWEEN -4000000000000000000 AND 4000000000000000000),
  held_nanos bigint NOT NULL DEFAULT 0
    CONSTRAINT accounts_held_nanos_check CHECK (held_nanos BETWEEN 0 AND 4000000000000000000),
  -- Ledger entries of this account so far; the number of the newest one.
  entry_count bigint NOT NULL DEFAULT 0,
  policy text NOT NULL DEFAULT 'warn'
    CONSTRAINT accounts_policy_check CHECK (policy IN ('block', 'warn', 'limited')),
  low_threshold_nanos bigint NOT NULL DEFAULT 5000000000,
  -- Set by staff only. NULL: none under block, without end under warn and limited.
  overdraft_max_nanos bigint
    CONSTRAINT accounts_overdraft_max_nanos_check
    CHECK (overdraft_max_nanos BETWEEN 0 AND 1000000000000000),
  -- Set by staff only. The dearest single estimate that limited lets pass.
  ceiling_nanos bigint NOT NULL DEFAULT 1000000000
    CONSTRAINT accounts_ceiling_nanos_check CHECK (ceiling_nanos >= 0),
  create_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz NOT NULL DEFAULT now()
);

-- A row is a transfer of a positive amount between two accounts, so the ledger
-- adds up to zero by construction. 'reserve' is the tenant's own account; one
-- side of every transfer is it. Rows are never changed: a correction is a new
-- row that names what it reverses. The key is a UUIDv7, so that the table can be
-- partitioned by ranges of it and stay unique.
CREATE TABLE billing.ledger_entries (
  id uuid CONSTRAINT ledger_entries_pkey PRIMARY KEY,
  tenant_id bigint NOT NULL
    CONSTRAINT ledger_entries_tenant_id_fkey REFERENCES billing.accounts (tenant_id),
  -- 1, 2, 3… within the tenant, in the order of booking.
  entry_number bigint NOT NULL,
  debit_account text NOT NULL
    CONSTRAINT ledger_entries_debit_account_check CHECK (debit_account IN
      ('reserve', 'revenue', 'stripe_clearing', 'promotions', 'adjustments')),
  credit_account text NOT NULL
    CONSTRAINT ledger_entries_credit_account_check CHECK (credit_account IN
      ('reserve', 'revenue', 'stripe_clearing', 'promotions', 'adjustments')),
  amount_nanos bigint NOT NULL
    CONSTRAINT ledger_entries_amount_nanos_check CHECK (amount_nanos > 0),
  entry_type text NOT NULL
    CONSTRAINT ledger_entries_entry_type_check CHECK (entry_type IN
      ('topup', 'usage', 'refund', 'adjustment', 'auto_topup')),
  balance_after_nanos bigint NOT NULL,
  job_id uuid,
  price_version int,
  notes text NOT NULL,
  reverses uuid
    CONSTRAINT ledger_entries_reverses_fkey REFERENCES billing.ledger_entries (id),
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT ledger_entries_number_key UNIQUE (tenant_id, entry_number),
  CONSTRAINT ledger_entries_reserve_check
    CHECK ((debit_account = 'reserve') <> (credit_account = 'reserve')),
  CONSTRAINT ledger_entries_usage_check
    CHECK (entry_type <> 'usage' OR (job_id IS NOT NULL AND price_version IS NOT NULL))
);
CREATE INDEX ledger_entries_create_time ON billing.ledger_entries (create_time);

CREATE TABLE billing.ledger_chain (
  position bigint CONSTRAINT ledger_chain_pkey PRIMARY KEY,
  row_id uuid NOT NULL CONSTRAINT ledger_chain_row_id_key UNIQUE,
  hash bytea NOT NULL,
  seal_time timestamptz NOT NULL DEFAULT now()
);

-- The first answer to each keyed request, kept as long as the ledger.
CREATE TABLE billing.idempotency_keys (
  scope text NOT NULL,
  key uuid NOT NULL,
  request_hash bytea NOT NULL
    CONSTRAINT idempotency_keys_request_hash_check CHECK (octet_length(request_hash) = 32),
  response bytea NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key)
);

GRANT SELECT ON billing.accounts TO gatehouse_billing;
GRANT INSERT (tenant_id) ON billing.accounts TO gatehouse_billing;
GRANT UPDATE (settled_nanos, held_nanos, entry_count, policy, update_time) ON billing.accounts
  TO gatehouse_billing;
GRANT SELECT, INSERT ON billing.ledger_entries, billing.ledger_chain, billing.idempotency_keys
  TO gatehouse_billing;
