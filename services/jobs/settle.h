// What a job owes to billing: the messages of its outbox, their delivery, and the
// sweep for those that went missing. Decides no price: billing does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/pg/outbox.h"
#include "services/jobs/attempt_context.h"
#include "services/jobs/billing_port.h"
#include "services/jobs/job.h"

namespace gatehouse::jobs {

// A serialized request to billing and which one it is.
struct BillingMessage {
  std::string kind;  // billing.bind, billing.capture, billing.release
  std::string payload;
};
BillingMessage BindMessage(const std::string& job_id);
// The last message of a job that ended, which tells how: a final capture after success
// or when there is usage, else a release.
BillingMessage SettleMessage(const Job& job, const std::vector<UsageLine>& usage);
// A capture that others will follow.
BillingMessage PartMessage(const Job& job, const std::vector<UsageLine>& usage);

// Appends to the outbox in the caller's transaction, in order per job.
absl::Status AppendMessage(pg::Tx& tx, const std::string& job_id, const BillingMessage& message);

// Delivers messages and records what billing answered: cost and timeline.
// Idempotent, as the relay demands. Thread-safe.
class Settler {
 public:
  // Both must outlive this.
  Settler(pg::Database& db, BillingPort& billing) : db_(db), billing_(billing) {}

  absl::Status Deliver(const pg::OutboxMessage& message);

 private:
  absl::Status Bind(const std::string& payload);
  absl::Status Capture(const std::string& payload);
  absl::Status Release(const std::string& payload);

  pg::Database& db_;
  BillingPort& billing_;
};

// Appends the last message of jobs that ended more than `age` ago, that billing
// has not confirmed, and for which the outbox holds nothing. Returns how many.
absl::StatusOr<int> SweepUnsettled(pg::Database& db, std::chrono::milliseconds age);

}  // namespace gatehouse::jobs
