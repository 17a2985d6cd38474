-- Debt is an account of its own, entries name who booked them, and the sealer finds
-- what is new by the order of transactions instead of reading ten minutes again.

ALTER TABLE billing.accounts
  -- Rows are written again at every batch; half-full pages keep new versions on them.
  SET (fillfactor = 50),
  -- When mail last told of a low balance.
  ADD COLUMN low_notice_time timestamptz,
  ADD CONSTRAINT accounts_low_threshold_nanos_check
    CHECK (low_threshold_nanos BETWEEN 0 AND 1000000000000000),
  ADD CONSTRAINT accounts_ceiling_nanos_max_check CHECK (ceiling_nanos <= 1000000000000000);

-- Debt. When a posting leaves the tenant below zero, a row of type 'debt' moves what
-- is missing from 'debt' into 'reserve'; money that comes in pays it back first. So
-- 'reserve' is never below zero and 'debt' is what the tenant owes. These rows do not
-- change the tenant's settled balance (reserve less debt), have no number of its own
-- and name the entry that led to them as their cause.
ALTER TABLE billing.ledger_entries
  DROP CONSTRAINT ledger_entries_debit_account_check,
  DROP CONSTRAINT ledger_entries_credit_account_check,
  DROP CONSTRAINT ledger_entries_entry_type_check,
  ALTER COLUMN entry_number DROP NOT NULL,
  ADD COLUMN cause_id uuid,
  -- Id of the administrator who booked it by hand.
  ADD COLUMN actor text,
  ADD COLUMN stripe_event_id text,
  -- Of the writer; entries are sealed in this order.
  ADD COLUMN transaction_id xid8 NOT NULL DEFAULT '0',
  ADD CONSTRAINT ledger_entries_debit_account_check CHECK (debit_account IN
    ('reserve', 'debt', 'revenue', 'stripe_clearing', 'promotions', 'adjustments')),
  ADD CONSTRAINT ledger_entries_credit_account_check CHECK (credit_account IN
    ('reserve', 'debt', 'revenue', 'stripe_clearing', 'promotions', 'adjustments')),
  ADD CONSTRAINT ledger_entries_entry_type_check CHECK (entry_type IN
    ('topup', 'usage', 'refund', 'adjustment', 'auto_topup', 'dispute', 'reversal', 'debt')),
  ADD CONSTRAINT ledger_entries_debt_check CHECK (
    (entry_type = 'debt') = (debit_account = 'debt' OR credit_account = 'debt')
    AND (entry_type = 'debt') = (entry_number IS NULL)
    AND (entry_type = 'debt') = (cause_id IS NOT NULL)),
  ADD CONSTRAINT ledger_entries_reversal_check
    CHECK (entry_type <> 'reversal' OR reverses IS NOT NULL);
ALTER TABLE billing.ledger_entries ALTER COLUMN transaction_id SET DEFAULT pg_current_xact_id();

-- Entries that are sealed have transaction 0, those that are not count as booked here:
-- the sealer goes on behind the last transaction that it has sealed.
UPDATE billing.ledger_entries e SET transaction_id = pg_current_xact_id()
WHERE NOT EXISTS (SELECT FROM billing.ledger_chain c WHERE c.row_id = e.id);
CREATE INDEX ledger_entries_transaction ON billing.ledger_entries (transaction_id, id);
CREATE INDEX ledger_entries_reverses ON billing.ledger_entries (reverses)
  WHERE reverses IS NOT NULL;
-- Ids begin with their time, so the primary key serves exports by time.
DROP INDEX billing.ledger_entries_create_time;
-- What is paid in and out is little beside usage, which this index never sees.
CREATE INDEX ledger_entries_funding ON billing.ledger_entries (create_time)
  WHERE entry_type IN ('topup', 'auto_topup', 'refund', 'dispute', 'adjustment', 'reversal');

-- The debts of before, with the entries that led to them.
INSERT INTO billing.ledger_entries (id, tenant_id, debit_account, credit_account, amount_nanos,
  entry_type, balance_after_nanos, notes, cause_id, create_time, transaction_id)
SELECT gen_random_uuid(), tenant_id, CASE WHEN lent > 0 THEN 'debt' ELSE 'reserve' END,
  CASE WHEN lent > 0 THEN 'reserve' ELSE 'debt' END, abs(lent), 'debt', balance_after_nanos, '', id,
  create_time, pg_current_xact_id()
FROM (SELECT *, greatest(-balance_after_nanos, 0) - greatest(
        -lag(balance_after_nanos, 1, 0::bigint) OVER (PARTITION BY tenant_id ORDER BY entry_number),
        0) AS lent
      FROM billing.ledger_entries) AS entries
WHERE lent <> 0;

-- For the owner, after a dump was restored into a cluster whose transactions have smaller
-- numbers, before the service runs: the seals go on in their order, and those who watch
-- events begin anew.
CREATE FUNCTION billing.after_restore() RETURNS void LANGUAGE sql AS $$
  UPDATE billing.ledger_entries e SET transaction_id = CASE
    WHEN EXISTS (SELECT FROM billing.ledger_chain c WHERE c.row_id = e.id) THEN xid8 '0'
    ELSE pg_current_xact_id() END;
  DELETE FROM billing.events;
  UPDATE billing.feed
  SET incarnation = incarnation + 1, swept_transaction_id = '0', swept_sequence = 0;
$$;
REVOKE ALL ON FUNCTION billing.after_restore() FROM PUBLIC;

-- What the work was for and how it ended. Accounts, holds, captures and entries are
-- written together, under the account's lock, and never deleted; verify-ledger compares
-- them. Foreign keys would look each row up again, a quarter of what a capture costs.
ALTER TABLE billing.ledger_entries DROP CONSTRAINT ledger_entries_tenant_id_fkey;
ALTER TABLE billing.holds
  DROP CONSTRAINT holds_tenant_id_fkey,
  SET (fillfactor = 70),
  ADD COLUMN tool text NOT NULL DEFAULT '',
  ADD COLUMN outcome text
    CONSTRAINT holds_outcome_check CHECK (outcome IN ('success', 'failed', 'cancelled')),
  ADD COLUMN end_time timestamptz;
ALTER TABLE billing.captures
  DROP CONSTRAINT captures_entry_id_fkey,
  DROP CONSTRAINT captures_hold_key_fkey,
  ADD COLUMN price_version int,
  ADD COLUMN tool text NOT NULL DEFAULT '',
  ADD COLUMN tenant_id bigint;
-- In the order of writing, so a coarse index finds a time.
CREATE INDEX captures_create_time ON billing.captures USING brin (create_time)
  WITH (autosummarize = on);
CREATE INDEX holds_end_time ON billing.holds USING brin (end_time) WITH (autosummarize = on);

-- Mail that is owed to a tenant: written with what it tells, deleted when it was sent.
CREATE TABLE billing.notices (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT notices_pkey PRIMARY KEY,
  tenant_id bigint NOT NULL,
  kind text NOT NULL CONSTRAINT notices_kind_check
    CHECK (kind IN ('low_balance', 'auto_topup_failed', 'payment_failed')),
  data jsonb NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  -- Digests of the addresses that have it already.
  sent text[] NOT NULL DEFAULT '{}',
  next_attempt_time timestamptz NOT NULL DEFAULT now(),
  create_time timestamptz NOT NULL DEFAULT now()
);

GRANT UPDATE (low_threshold_nanos, overdraft_max_nanos, ceiling_nanos, low_notice_time)
  ON billing.accounts TO gatehouse_billing;
GRANT SELECT, INSERT, UPDATE, DELETE ON billing.notices TO gatehouse_billing;
