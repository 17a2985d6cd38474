-- 'flush': the UUID of who had the caches emptied.
ALTER TABLE auth.control_log
  DROP CONSTRAINT control_log_kind_check,
  ADD CONSTRAINT control_log_kind_check
    CHECK (kind IN ('epoch', 'revocation', 'change', 'keys', 'flush'));
