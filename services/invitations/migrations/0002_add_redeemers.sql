-- Who made an invitation and who redeemed it, by the names of that time. Empty for
-- rows from before.
ALTER TABLE invitations.invitations
  ADD COLUMN creator_username text NOT NULL DEFAULT '';
ALTER TABLE invitations.redemptions
  ADD COLUMN redeemer_username text NOT NULL DEFAULT '',
  -- Not the time of the transaction's begin: redeemers wait for each other.
  ALTER COLUMN redeem_time SET DEFAULT clock_timestamp();

-- The last redemption of each invitation is looked for by this.
DROP INDEX invitations.redemptions_invitation_id;
CREATE INDEX redemptions_newest
  ON invitations.redemptions (invitation_id, redeem_time DESC, redemption_id DESC);
CREATE INDEX invitations_newest_of_tenant
  ON invitations.invitations (tenant_id, create_time DESC, id DESC);
