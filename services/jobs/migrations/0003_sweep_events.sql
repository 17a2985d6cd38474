-- Events are deleted a day after they were written, oldest first; the feed's row
-- tells how far that came.
ALTER TABLE jobs.feed
  ADD COLUMN swept_transaction_id xid8 NOT NULL DEFAULT '0',
  ADD COLUMN swept_sequence bigint NOT NULL DEFAULT 0;

GRANT DELETE ON jobs.events TO gatehouse_jobs;
GRANT UPDATE (swept_transaction_id, swept_sequence) ON jobs.feed TO gatehouse_jobs;
