// Adds captured usage and ended work up by the hour, one slice of time after the other,
// closely behind the clock. Any number of processes may run; one of them at a time works.
// Not what reads the sums (usage_store.h).
#pragma once

#include <chrono>
#include <cstdint>

#include "libs/exec/pool.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

// Slices in between take about kSliceRecords.
inline constexpr std::chrono::microseconds kSliceMin = std::chrono::seconds(10);
inline constexpr std::chrono::microseconds kSliceMax = std::chrono::hours(1);
inline constexpr std::int64_t kSliceRecords = 50'000;

struct RollUpOptions {
  std::chrono::microseconds slice = kSliceMin;
  // How long ago a slice must have ended; more than the database's clock steps back.
  std::chrono::seconds delay{30};
  // A transaction that has written nothing for so long only reads. Longer than one that
  // writes can last at all: its statements, locks and pauses are limited to seconds.
  std::chrono::seconds reader_age{600};
};

// What a step did.
struct RolledUp {
  std::chrono::microseconds length{0};  // Of its slice; shorter than asked for at the end.
  std::int64_t records = 0;             // Captures and ended work in it.
};

// Adds up the next slice in one transaction, which moves the mark past it. It ends where
// somebody may still write: at the beginning of the oldest transaction. Of no length when
// nothing is due, or when another process is at it.
absl::StatusOr<RolledUp> RollUp(pg::Database& db, const RollUpOptions& options = {});

// How long the slice after `done` should be, when that one was to be `slice` long.
std::chrono::microseconds NextSlice(std::chrono::microseconds slice, const RolledUp& done);

// From a thread of its own.
class UsageRollup {
 public:
  // `db` must outlive this.
  explicit UsageRollup(pg::Database& db);

 private:
  std::chrono::milliseconds Step();

  pg::Database& db_;
  metrics::Counter& records_;
  std::chrono::microseconds slice_ = kSliceMin;  // Of the thread.
  exec::Ticker ticker_;                          // last: stops before the rest goes
};

}  // namespace gatehouse::billing
