-- Every credential of a user, opaque or signed, is a row of one table. Epochs are
-- sequences of the control counter from here on: a credential is dead when its
-- own, taken when it was issued, is smaller than that of its user, its tenant or
-- everybody.
ALTER TABLE auth.control_head ADD COLUMN global_epoch bigint NOT NULL DEFAULT 0;
ALTER TABLE auth.control_log
  DROP CONSTRAINT control_log_kind_check,
  ADD CONSTRAINT control_log_kind_check
    CHECK (kind IN ('epoch', 'revocation', 'change', 'keys'));
ALTER TABLE auth.tenants
  ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
  -- Of the newest tier that billing has sent.
  ADD COLUMN tier_version bigint NOT NULL DEFAULT 0;
-- What a key may be narrowed to, beside the permissions.
ALTER TABLE auth.roles ADD COLUMN scopes text[] NOT NULL DEFAULT '{}';
UPDATE auth.roles SET scopes = '{llm.chat,llm.embed,repo.analyze,repo.patch}';
UPDATE auth.roles SET scopes = '{admin,jobs:work,llm.chat,llm.embed,repo.analyze,repo.patch}'
WHERE role = 'admin';
ALTER TABLE auth.users
  ADD COLUMN is_revoked boolean NOT NULL DEFAULT false,
  ADD COLUMN password_change_required boolean NOT NULL DEFAULT false,
  ADD COLUMN notes text NOT NULL DEFAULT '',
  ADD COLUMN disable_reason text NOT NULL DEFAULT '',
  ADD COLUMN stripe_customer_id text NOT NULL DEFAULT '';
CREATE INDEX users_newest ON auth.users (create_time DESC, id DESC);
CREATE INDEX users_active_admins ON auth.users (id) WHERE role = 'admin' AND is_active;

CREATE TABLE auth.credentials (
  id uuid CONSTRAINT credentials_pkey PRIMARY KEY,
  user_id uuid NOT NULL CONSTRAINT credentials_user_id_fkey REFERENCES auth.users (id),
  kind text NOT NULL CONSTRAINT credentials_kind_check
    CHECK (kind IN ('token', 'session', 'login', 'access', 'platform', 'api', 'key')),
  -- SHA-256 of an opaque credential. A signed one has none: its tokens name the row.
  digest bytea CONSTRAINT credentials_digest_key UNIQUE
    CONSTRAINT credentials_digest_check CHECK (octet_length(digest) = 32),
  name text NOT NULL DEFAULT '',
  -- NULL: not narrowed.
  scopes text[],
  -- The last four characters of its text.
  hint text NOT NULL DEFAULT '',
  -- The control sequence when it was issued.
  epoch bigint NOT NULL,
  -- The browser keeps it when it is closed.
  is_persistent boolean NOT NULL DEFAULT false,
  -- A refresh token is an HMAC over this and the counter; only the newest counter
  -- is good, and the one before for 10 seconds after refresh_time.
  refresh_seed bytea
    CONSTRAINT credentials_refresh_seed_check CHECK (octet_length(refresh_seed) = 32),
  refresh_counter bigint NOT NULL DEFAULT 0,
  refresh_time timestamptz,
  client_address text NOT NULL DEFAULT '',
  user_agent text NOT NULL DEFAULT '',
  create_time timestamptz NOT NULL DEFAULT now(),
  expire_time timestamptz,
  last_used_time timestamptz,
  revoke_time timestamptz,
  CONSTRAINT credentials_form_check
    CHECK ((kind IN ('access', 'platform')) = (digest IS NULL)
       AND (kind IN ('access', 'platform')) = (refresh_seed IS NOT NULL))
);
CREATE INDEX credentials_live ON auth.credentials (user_id, kind, create_time DESC, id DESC)
  WHERE revoke_time IS NULL;
CREATE INDEX credentials_made ON auth.credentials (create_time DESC, id DESC)
  WHERE kind IN ('api', 'key');
CREATE INDEX credentials_made_by ON auth.credentials (user_id, create_time DESC, id DESC)
  WHERE kind IN ('api', 'key');
CREATE INDEX credentials_ended ON auth.credentials (coalesce(revoke_time, expire_time))
  WHERE revoke_time IS NOT NULL OR expire_time IS NOT NULL;

INSERT INTO auth.credentials
  (id, user_id, kind, digest, epoch, create_time, expire_time, last_used_time, revoke_time)
SELECT id, user_id, kind, digest, epoch, create_time, expire_time, last_used_time, revoke_time
FROM auth.tokens;
DROP TABLE auth.tokens;

-- Keys of access tokens. The newest activated one signs; all until their
-- retire_time are published.
CREATE TABLE auth.signing_keys (
  kid text CONSTRAINT signing_keys_pkey PRIMARY KEY,
  public_key bytea NOT NULL
    CONSTRAINT signing_keys_public_key_check CHECK (octet_length(public_key) = 32),
  -- The seed, encrypted and authenticated under SECRET_KEY.
  sealed_seed bytea NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  activate_time timestamptz NOT NULL,
  retire_time timestamptz
    CONSTRAINT signing_keys_retire_time_check CHECK (retire_time > activate_time)
);
CREATE INDEX signing_keys_active ON auth.signing_keys (activate_time DESC);

-- Failed logins of an account from a network, and, with an empty network, from all
-- networks that it is not known from. Accounts that do not exist have rows, too:
-- the account is an HMAC of the name.
CREATE TABLE auth.login_attempts (
  account bytea NOT NULL
    CONSTRAINT login_attempts_account_check CHECK (octet_length(account) = 32),
  network text NOT NULL,
  failures int NOT NULL DEFAULT 0,
  blocked_until timestamptz NOT NULL DEFAULT '-infinity',
  attempt_time timestamptz NOT NULL DEFAULT now(),
  -- Of the last login from here that worked: the network is then known.
  success_time timestamptz,
  CONSTRAINT login_attempts_pkey PRIMARY KEY (account, network)
);
CREATE INDEX login_attempts_attempt_time ON auth.login_attempts (attempt_time);

-- A mailed code is an HMAC over the id, so that nothing secret is here. Requests
-- for unknown addresses have rows without a user. No foreign key: its check would
-- tell known addresses from unknown ones by time, and users are never deleted.
CREATE TABLE auth.password_resets (
  id uuid CONSTRAINT password_resets_pkey PRIMARY KEY,
  user_id uuid,
  digest bytea NOT NULL CONSTRAINT password_resets_digest_key UNIQUE
    CONSTRAINT password_resets_digest_check CHECK (octet_length(digest) = 32),
  create_time timestamptz NOT NULL DEFAULT now(),
  expire_time timestamptz NOT NULL,
  used_time timestamptz
);
CREATE INDEX password_resets_user_id ON auth.password_resets (user_id, create_time DESC);
CREATE INDEX password_resets_expire_time ON auth.password_resets (expire_time);

CREATE TABLE auth.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
  subject text NOT NULL,
  kind text NOT NULL,
  payload bytea NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_time timestamptz NOT NULL DEFAULT now(),
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_subject ON auth.outbox (subject, id);

GRANT SELECT, UPDATE ON auth.roles TO gatehouse_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.credentials, auth.signing_keys,
  auth.login_attempts, auth.password_resets, auth.outbox TO gatehouse_auth;
GRANT DELETE ON auth.control_log TO gatehouse_auth;
