CREATE TABLE auth.audit_events (
  id uuid CONSTRAINT audit_events_pkey PRIMARY KEY,
  -- Order of writing, for the sealer.
  position bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_events_position_key UNIQUE,
  type text NOT NULL CONSTRAINT audit_events_type_check CHECK (type ~ '^[a-z][a-z0-9_]{0,63}$'),
  event_time timestamptz NOT NULL,
  actor_user_id uuid,
  actor_username text NOT NULL,
  target text NOT NULL,
  tenant_id bigint NOT NULL,
  client_address text NOT NULL,
  user_agent text NOT NULL,
  request_id text NOT NULL,
  success boolean NOT NULL,
  reason text NOT NULL,
  -- json, not jsonb: the very bytes are sealed.
  details json NOT NULL
    CONSTRAINT audit_events_details_check CHECK (json_typeof(details) = 'object'),
  append_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_events_newest ON auth.audit_events (event_time DESC, id DESC);
CREATE INDEX audit_events_append_time ON auth.audit_events (append_time);
CREATE INDEX audit_events_actor ON auth.audit_events (actor_user_id, event_time DESC, id DESC);
CREATE INDEX audit_events_target ON auth.audit_events (target, event_time DESC, id DESC);

CREATE TABLE auth.audit_chain (
  position bigint CONSTRAINT audit_chain_pkey PRIMARY KEY,
  row_id uuid NOT NULL CONSTRAINT audit_chain_row_id_key UNIQUE,
  hash bytea NOT NULL,
  seal_time timestamptz NOT NULL DEFAULT now()
);

-- Append-only for the service itself, too.
GRANT SELECT, INSERT ON auth.audit_events, auth.audit_chain TO gatehouse_auth;
