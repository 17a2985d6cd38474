-- Payments through Stripe.

-- The tenants' customers at Stripe: of each tenant one that lives, with the payment method
-- for automatic charges, and those that are gone, whose last events may still come.
CREATE TABLE billing.stripe_customers (
  tenant_id bigint NOT NULL,
  customer_id text CONSTRAINT stripe_customers_pkey PRIMARY KEY,
  payment_method_id text,
  -- When it was known to be deleted at Stripe, or to be of another account there.
  gone_time timestamptz,
  -- When Stripe said what the payment method is; what it said before counts no more.
  payment_method_time timestamptz,
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX stripe_customers_living ON billing.stripe_customers (tenant_id)
  WHERE gone_time IS NULL;

-- Every event that Stripe posted and whose signature was right, as it came. Written in
-- the transaction of what it led to; or, when that failed, with the failure.
CREATE TABLE billing.stripe_events (
  event_id text CONSTRAINT stripe_events_pkey PRIMARY KEY,
  type text NOT NULL,
  payload bytea NOT NULL,
  stripe_time timestamptz NOT NULL,
  state text NOT NULL CONSTRAINT stripe_events_state_check
    CHECK (state IN ('processed', 'ignored', 'deferred', 'failed')),
  -- The answer, or the reason of the failure.
  reason text NOT NULL DEFAULT '',
  error text NOT NULL DEFAULT '',
  attempts int NOT NULL DEFAULT 1,
  tenant_id bigint,
  entry_id uuid,
  receive_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stripe_events_failed ON billing.stripe_events (receive_time) WHERE state = 'failed';

-- Money that came in, one row per payment, whatever told of it first; a payment whose
-- row exists is never credited again.
CREATE TABLE billing.stripe_payments (
  payment_intent_id text CONSTRAINT stripe_payments_pkey PRIMARY KEY,
  tenant_id bigint NOT NULL,
  entry_id uuid NOT NULL,
  amount_nanos bigint NOT NULL CONSTRAINT stripe_payments_amount_check CHECK (amount_nanos > 0),
  create_time timestamptz NOT NULL DEFAULT now()
);

-- Refunds and disputes are kept as Stripe told them, of any payment: one that is credited
-- later finds what was taken back of it before.

-- How much of a payment was refunded so far, by what Stripe told at stripe_time.
CREATE TABLE billing.stripe_refunds (
  payment_intent_id text CONSTRAINT stripe_refunds_pkey PRIMARY KEY,
  refunded_nanos bigint NOT NULL
    CONSTRAINT stripe_refunds_refunded_check CHECK (refunded_nanos >= 0),
  stripe_time timestamptz NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now()
);

-- Refunds that have failed: what is told of the payment from then on leaves them out.
CREATE TABLE billing.stripe_failed_refunds (
  refund_id text CONSTRAINT stripe_failed_refunds_pkey PRIMARY KEY,
  payment_intent_id text NOT NULL,
  amount_nanos bigint NOT NULL
    CONSTRAINT stripe_failed_refunds_amount_check CHECK (amount_nanos > 0),
  stripe_time timestamptz NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stripe_failed_refunds_by_payment
  ON billing.stripe_failed_refunds (payment_intent_id);

-- Disputed money: taken back once, and given back once when the dispute is won, in
-- whichever order Stripe tells. amount_nanos is what Stripe withdrew; an entry that is
-- missing had nothing to move (more than the payment is never taken back).
CREATE TABLE billing.stripe_disputes (
  dispute_id text CONSTRAINT stripe_disputes_pkey PRIMARY KEY,
  payment_intent_id text NOT NULL,
  amount_nanos bigint NOT NULL CONSTRAINT stripe_disputes_amount_check CHECK (amount_nanos > 0),
  is_withdrawn boolean NOT NULL DEFAULT false,
  is_reinstated boolean NOT NULL DEFAULT false,
  withdrawn_entry_id uuid,
  reinstated_entry_id uuid,
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stripe_disputes_by_payment ON billing.stripe_disputes (payment_intent_id);

-- Automatic top-ups. A row is written before Stripe is asked, and its id is Stripe's
-- idempotency key, so that a charge whose answer was lost is asked for again, not made
-- again.
CREATE TABLE billing.auto_topups (
  id uuid CONSTRAINT auto_topups_pkey PRIMARY KEY,
  tenant_id bigint NOT NULL,
  amount_nanos bigint NOT NULL CONSTRAINT auto_topups_amount_check CHECK (amount_nanos > 0),
  state text NOT NULL CONSTRAINT auto_topups_state_check
    CHECK (state IN ('pending', 'charged', 'failed')),
  -- Whom and what it charges: asked for again, it must be the same request.
  customer_id text NOT NULL DEFAULT '',
  payment_method_id text NOT NULL DEFAULT '',
  payment_intent_id text,
  failure text NOT NULL DEFAULT '',
  attempts int NOT NULL DEFAULT 0,
  next_attempt_time timestamptz NOT NULL DEFAULT now(),
  -- When it was known to be charged: in this month it counts.
  charge_time timestamptz,
  create_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX auto_topups_pending ON billing.auto_topups (tenant_id)
  WHERE state = 'pending';
CREATE INDEX auto_topups_by_tenant ON billing.auto_topups (tenant_id, create_time);

ALTER TABLE billing.accounts
  ADD COLUMN auto_topup_enabled boolean NOT NULL DEFAULT false,
  -- Failures of before count no more: it was switched on, or got another payment method.
  ADD COLUMN auto_topup_since timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN auto_topup_threshold_nanos bigint NOT NULL DEFAULT 10000000000
    CONSTRAINT accounts_auto_topup_threshold_check
    CHECK (auto_topup_threshold_nanos BETWEEN 0 AND 10000000000000),
  ADD COLUMN auto_topup_amount_nanos bigint NOT NULL DEFAULT 50000000000
    CONSTRAINT accounts_auto_topup_amount_check
    CHECK (auto_topup_amount_nanos BETWEEN 1000000000 AND 10000000000000),
  ADD COLUMN auto_topup_monthly_cap_nanos bigint NOT NULL DEFAULT 200000000000
    CONSTRAINT accounts_auto_topup_monthly_cap_check
    CHECK (auto_topup_monthly_cap_nanos BETWEEN 1000000000 AND 100000000000000),
  ADD COLUMN allow_portal_access boolean NOT NULL DEFAULT true,
  ADD COLUMN allow_plan_changes boolean NOT NULL DEFAULT true;
CREATE INDEX accounts_auto_topup ON billing.accounts (tenant_id) WHERE auto_topup_enabled;

-- Subscriptions as the newest event told. Amounts are whole cents a year, after
-- recurring discounts, before tax; 0 while nothing is paid (trial, incomplete, unpaid).
CREATE TABLE billing.subscriptions (
  subscription_id text CONSTRAINT subscriptions_pkey PRIMARY KEY,
  tenant_id bigint NOT NULL,
  status text NOT NULL,
  annual_cents bigint NOT NULL
    CONSTRAINT subscriptions_annual_cents_check CHECK (annual_cents >= 0),
  plan_tier text NOT NULL DEFAULT '',
  current_period_start timestamptz,
  current_period_end timestamptz,
  -- (stripe_time, rank) of the event that told; an older one changes nothing.
  stripe_time timestamptz NOT NULL,
  stripe_rank int NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX subscriptions_by_tenant ON billing.subscriptions (tenant_id);

-- What a subscription comes to from a time on, as each event told, at Stripe's times. In
-- force is the latest by (change_time, stripe_rank, id), whenever it came; what stands
-- behind the subscription's deletion does not count, nor does NULL: an event whose amount
-- could not be told. Append-only.
CREATE TABLE billing.subscription_changes (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT subscription_changes_pkey PRIMARY KEY,
  event_id text NOT NULL CONSTRAINT subscription_changes_event_id_key UNIQUE,
  subscription_id text NOT NULL,
  tenant_id bigint NOT NULL,
  change_time timestamptz NOT NULL,
  stripe_rank int NOT NULL,
  annual_cents bigint
    CONSTRAINT subscription_changes_annual_cents_check CHECK (annual_cents >= 0),
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX subscription_changes_by_tenant ON billing.subscription_changes (tenant_id);
CREATE INDEX subscription_changes_by_subscription
  ON billing.subscription_changes (subscription_id, change_time, stripe_rank, id);

-- Levels that raise alerts in the metrics.
CREATE TABLE billing.alert_levels (
  singleton boolean DEFAULT true CONSTRAINT alert_levels_pkey PRIMARY KEY
    CONSTRAINT alert_levels_singleton_check CHECK (singleton),
  logo_churn_ppm bigint NOT NULL DEFAULT 50000,
  mrr_drop_ppm bigint NOT NULL DEFAULT 50000,
  failed_work_ppm bigint NOT NULL DEFAULT 100000,
  negative_accounts bigint NOT NULL DEFAULT 0,
  update_time timestamptz NOT NULL DEFAULT now()
);
INSERT INTO billing.alert_levels DEFAULT VALUES;

GRANT SELECT, INSERT, UPDATE ON billing.stripe_customers, billing.stripe_events,
  billing.stripe_payments, billing.stripe_refunds, billing.stripe_disputes, billing.auto_topups,
  billing.subscriptions TO gatehouse_billing;
GRANT SELECT, INSERT ON billing.stripe_failed_refunds, billing.subscription_changes
  TO gatehouse_billing;
GRANT SELECT, UPDATE ON billing.alert_levels TO gatehouse_billing;
GRANT UPDATE (auto_topup_enabled, auto_topup_since, auto_topup_threshold_nanos,
  auto_topup_amount_nanos, auto_topup_monthly_cap_nanos, allow_portal_access, allow_plan_changes)
  ON billing.accounts TO gatehouse_billing;
