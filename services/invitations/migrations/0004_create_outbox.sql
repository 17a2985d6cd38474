-- What auth's audit log is to be told (libs/pg/outbox.h). A row goes when it is told.
CREATE TABLE invitations.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
  subject text NOT NULL,
  kind text NOT NULL,
  payload bytea NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_time timestamptz NOT NULL DEFAULT now(),
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_subject ON invitations.outbox (subject, id);

GRANT SELECT, INSERT, UPDATE, DELETE ON invitations.outbox TO gatehouse_invitations;
