// Gives back reservations whose time is over, on the database's clock. Any number
// of processes may sweep; each hold is expired once.
#pragma once

#include <chrono>

#include "libs/exec/pool.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

// Expires overdue reservations, at most kExpireMax, in one transaction: of accounts that
// nobody else works on; when there are none, those of the account that waits for longest.
// How many.
inline constexpr int kExpireMax = 500;
absl::StatusOr<int> ExpireHolds(pg::Database& db);

// Sweeps twice a second from a thread of its own.
class HoldSweeper {
 public:
  // `db` must outlive this.
  explicit HoldSweeper(pg::Database& db);

 private:
  std::chrono::milliseconds Sweep();

  pg::Database& db_;
  metrics::Counter& expired_;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::billing
