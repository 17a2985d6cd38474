// How what happens here gets into the suite's audit log, which auth keeps: a message in
// the outbox, and its delivery. The writer chooses the event's id, so that messages may
// come twice. Not for what the gateway asks for: the gateway audits that itself.
#pragma once

#include "libs/pg/outbox.h"
#include "libs/rpc/client.h"
#include "services/invitations/invitation.h"

namespace gatehouse::invitations {

// Appends "passkey_created" by the invitation's creator to the outbox in the caller's
// transaction. Says of the invitation what it allows; not its notes nor its address.
absl::Status AppendPasskeyCreated(pg::Tx& tx, const Invitation& invitation);

// Thread-safe.
class AuditDelivery {
 public:
  // `auth` must outlive this.
  explicit AuditDelivery(rpc::Client& auth) : auth_(auth) {}

  // Delivers one message. What auth refuses as no event is given up and logged; any
  // other error is for the relay to try again.
  absl::Status operator()(const pg::OutboxMessage& message);

 private:
  rpc::Client& auth_;
};

}  // namespace gatehouse::invitations
