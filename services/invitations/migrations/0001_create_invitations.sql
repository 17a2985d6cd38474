CREATE TABLE invitations.invitations (
  id uuid CONSTRAINT invitations_pkey PRIMARY KEY,
  token_digest bytea NOT NULL
    CONSTRAINT invitations_token_digest_key UNIQUE
    CONSTRAINT invitations_token_digest_check CHECK (octet_length(token_digest) = 32),
  notes text NOT NULL
    CONSTRAINT invitations_notes_check CHECK (octet_length(notes) <= 2000),
  uses_max int NOT NULL
    CONSTRAINT invitations_uses_max_check CHECK (uses_max BETWEEN 1 AND 1000),
  uses int NOT NULL DEFAULT 0,
  tenant_id bigint NOT NULL
    CONSTRAINT invitations_tenant_id_check CHECK (tenant_id >= 0),
  email text NOT NULL,
  creator_user_id uuid,
  create_time timestamptz NOT NULL DEFAULT now(),
  expire_time timestamptz NOT NULL,
  revoke_time timestamptz,
  CONSTRAINT invitations_uses_check CHECK (uses BETWEEN 0 AND uses_max),
  CONSTRAINT invitations_expire_time_check CHECK (expire_time > create_time)
);
CREATE INDEX invitations_newest ON invitations.invitations (create_time DESC, id DESC);

-- One row per use; its key makes a repeated redemption one redemption.
CREATE TABLE invitations.redemptions (
  redemption_id uuid CONSTRAINT redemptions_pkey PRIMARY KEY,
  invitation_id uuid NOT NULL
    CONSTRAINT redemptions_invitation_id_fkey REFERENCES invitations.invitations (id),
  redeem_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX redemptions_invitation_id ON invitations.redemptions (invitation_id);

GRANT SELECT, INSERT ON invitations.invitations, invitations.redemptions
  TO gatehouse_invitations;
GRANT UPDATE (uses, revoke_time) ON invitations.invitations TO gatehouse_invitations;
