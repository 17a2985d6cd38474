// How a tenant's plan gets to auth, which tells it to every gateway: a message in the
// outbox, and its delivery. Auth keeps the newest version, so that messages may come
// twice. Does not decide on plans (account.h).
#pragma once

#include "libs/pg/outbox.h"
#include "libs/rpc/client.h"
#include "services/billing/account.h"

namespace gatehouse::billing {

// Appends the plan of a locked account to the outbox in the caller's transaction.
absl::Status AppendTier(pg::Tx& tx, const Account& account);

// Thread-safe.
class TierDelivery {
 public:
  // `auth` must outlive this.
  explicit TierDelivery(rpc::Client& auth) : auth_(auth) {}

  // Delivers one message. What auth refuses for good, such as an unknown tenant, is
  // given up and logged; any other error is for the relay to try again.
  absl::Status operator()(const pg::OutboxMessage& message);

 private:
  rpc::Client& auth_;
};

}  // namespace gatehouse::billing
