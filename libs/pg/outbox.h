// Effects in another service: a row in <schema>.outbox written in the business
// transaction, delivered at least once, in order per subject, to an idempotent
// receiver. Not a queue for one's own work. The order is that of ids: writers of
// one subject must exclude each other, as by a lock on the subject's own row.
//
// The table, in a migration of each service that uses it:
//   CREATE TABLE <schema>.outbox (
//     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//     subject text NOT NULL, kind text NOT NULL, payload bytea NOT NULL,
//     attempts int NOT NULL DEFAULT 0, next_attempt_time timestamptz NOT NULL DEFAULT now(),
//     create_time timestamptz NOT NULL DEFAULT now());
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/exec/pool.h"
#include "libs/pg/database.h"
#include "libs/pg/leader.h"

namespace gatehouse::pg {

struct OutboxMessage {
  std::int64_t id;
  std::string subject;  // Messages of one subject are delivered in order.
  std::string kind;     // What to do, "billing.bind".
  std::string payload;  // A serialized message.
};

// Writes a row in the caller's transaction.
absl::Status AppendOutbox(Tx& tx, const std::string& schema, const std::string& subject,
                          const std::string& kind, const std::string& payload);

// Delivers rows from a thread of its own, in one process of the service at a
// time (leader). No connection is held while `deliver` runs. A failed delivery
// is retried with back-off (100 ms … 30 s) and holds back its subject only.
// `deliver` must be idempotent; returning OK deletes the row.
class OutboxRelay {
 public:
  using Deliver = std::function<absl::Status(const OutboxMessage&)>;

  OutboxRelay(Database& db, std::string schema, Deliver deliver);
  ~OutboxRelay();

  // Looks at once instead of within a second. Call after a commit that appended.
  void Wake();

 private:
  struct Row {
    OutboxMessage message;
    int attempts;
    std::int64_t wait_millis;
  };

  std::chrono::milliseconds Step();
  absl::StatusOr<std::vector<Row>> ReadFirstOfEachSubject();
  void DeliverRow(const Row& row);

  Database& db_;
  const std::string schema_;
  const Deliver deliver_;
  Leader leader_;
  std::atomic<bool> stopping_ = false;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::pg
