-- What a role may do, and the rate of its users who have none of their own.
CREATE TABLE auth.roles (
  role text CONSTRAINT roles_pkey PRIMARY KEY,
  permissions text[] NOT NULL,
  rate_limit_per_second int NOT NULL
    CONSTRAINT roles_rate_limit_per_second_check CHECK (rate_limit_per_second > 0),
  rate_limit_burst int NOT NULL
    CONSTRAINT roles_rate_limit_burst_check CHECK (rate_limit_burst > 0)
);
INSERT INTO auth.roles (role, permissions, rate_limit_per_second, rate_limit_burst) VALUES
  ('user', '{}', 10, 20),
  ('moderator', '{}', 10, 20),
  ('admin',
   '{ui_access,manage_users,manage_apis,manage_endpoints,manage_groups,manage_roles,
     manage_routings,manage_gateway,manage_subscriptions,manage_security,manage_auth,
     manage_billing,manage_jobs,export_logs,view_logs}', 100, 200);

CREATE TABLE auth.tenants (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT tenants_pkey PRIMARY KEY,
  client_id text NOT NULL CONSTRAINT tenants_client_id_key UNIQUE,
  name text NOT NULL,
  tier text NOT NULL DEFAULT 'free',
  create_time timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE auth.users (
  id uuid CONSTRAINT users_pkey PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT users_number_key UNIQUE,
  username text NOT NULL,
  email text NOT NULL,
  password_hash text NOT NULL,
  role text NOT NULL
    CONSTRAINT users_role_fkey REFERENCES auth.roles (role)
    CONSTRAINT users_role_check CHECK (role IN ('user', 'moderator', 'admin')),
  is_active boolean NOT NULL DEFAULT true,
  -- NULL follows the role.
  rate_limit_per_second int
    CONSTRAINT users_rate_limit_per_second_check CHECK (rate_limit_per_second > 0),
  rate_limit_burst int
    CONSTRAINT users_rate_limit_burst_check CHECK (rate_limit_burst > 0),
  first_name text NOT NULL DEFAULT '',
  last_name text NOT NULL DEFAULT '',
  settings jsonb NOT NULL DEFAULT '{}'
    CONSTRAINT users_settings_check CHECK (jsonb_typeof(settings) = 'object'),
  -- Credentials issued under a smaller epoch are dead.
  epoch bigint NOT NULL DEFAULT 0,
  tenant_id bigint NOT NULL CONSTRAINT users_tenant_id_fkey REFERENCES auth.tenants (id),
  profile_number bigint GENERATED ALWAYS AS IDENTITY
    CONSTRAINT users_profile_number_key UNIQUE,
  -- SHA-256 of the passkey that was redeemed: a repeated signup finds its user.
  passkey_digest bytea
    CONSTRAINT users_passkey_digest_check CHECK (octet_length(passkey_digest) = 32),
  create_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_username_key ON auth.users (lower(username));
CREATE UNIQUE INDEX users_email_key ON auth.users (lower(email));
CREATE INDEX users_tenant_id ON auth.users (tenant_id);

CREATE TABLE auth.tokens (
  id uuid CONSTRAINT tokens_pkey PRIMARY KEY,
  user_id uuid NOT NULL CONSTRAINT tokens_user_id_fkey REFERENCES auth.users (id),
  digest bytea NOT NULL
    CONSTRAINT tokens_digest_key UNIQUE
    CONSTRAINT tokens_digest_check CHECK (octet_length(digest) = 32),
  kind text NOT NULL CONSTRAINT tokens_kind_check CHECK (kind IN ('token')),
  -- The user's epoch when it was issued.
  epoch bigint NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  expire_time timestamptz,
  last_used_time timestamptz,
  revoke_time timestamptz
);
CREATE INDEX tokens_live ON auth.tokens (user_id, kind, create_time DESC, id DESC)
  WHERE revoke_time IS NULL;

-- A signup between the reservation of its names and the creation of its user:
-- the unique indexes reserve the names, and the row's id is the redemption id
-- and becomes the user's id.
CREATE TABLE auth.signups (
  id uuid CONSTRAINT signups_pkey PRIMARY KEY,
  username text NOT NULL,
  email text NOT NULL,
  password_hash text NOT NULL,
  -- SHA-256 of the passkey. It is what the passkey is redeemed by, so the passkey
  -- itself is kept nowhere.
  passkey_digest bytea NOT NULL
    CONSTRAINT signups_passkey_digest_check CHECK (octet_length(passkey_digest) = 32),
  client_address text NOT NULL,
  user_agent text NOT NULL,
  request_id text NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  attempt_time timestamptz NOT NULL DEFAULT now(),
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX signups_username_key ON auth.signups (lower(username));
CREATE UNIQUE INDEX signups_email_key ON auth.signups (lower(email));
CREATE INDEX signups_attempt_time ON auth.signups (attempt_time);

GRANT SELECT ON auth.roles TO gatehouse_auth;
GRANT SELECT, INSERT, UPDATE ON auth.tenants, auth.users TO gatehouse_auth;
GRANT SELECT, INSERT, UPDATE ON auth.tokens TO gatehouse_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.signups TO gatehouse_auth;
