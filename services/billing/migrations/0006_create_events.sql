-- The event feed, in commit order by (transaction_id, sequence). Rows are deleted a
-- day after they were written, oldest first; the feed's row tells how far that came.
CREATE TABLE billing.events (
  transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
  sequence bigint GENERATED ALWAYS AS IDENTITY,
  tenant_id bigint NOT NULL,
  user_id text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  data jsonb NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT events_pkey PRIMARY KEY (transaction_id, sequence)
);

CREATE TABLE billing.feed (
  incarnation bigint NOT NULL,
  swept_transaction_id xid8 NOT NULL DEFAULT '0',
  swept_sequence bigint NOT NULL DEFAULT 0
);
INSERT INTO billing.feed (incarnation) VALUES (1);

GRANT SELECT, INSERT, DELETE ON billing.events TO gatehouse_billing;
GRANT SELECT, UPDATE (swept_transaction_id, swept_sequence) ON billing.feed TO gatehouse_billing;
