// Adds captured usage and ended work up by the hour, once an hour is over for good. Any
// number of processes may run; one of them at a time works. Not what reads the sums
// (usage_store.h).
#pragma once

#include <chrono>

#include "libs/exec/pool.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

// How long ago an hour must have ended.
inline constexpr std::chrono::seconds kRollUpDelay{120};

// Adds up the next hour in one transaction and moves the mark past it. False when there
// is none yet that nobody can write into any more, or when another process is at it.
absl::StatusOr<bool> RollUpOneHour(pg::Database& db, std::chrono::seconds delay = kRollUpDelay);

// From a thread of its own.
class UsageRollup {
 public:
  // `db` must outlive this.
  explicit UsageRollup(pg::Database& db);

 private:
  std::chrono::milliseconds Step();

  pg::Database& db_;
  metrics::Counter& hours_;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::billing
