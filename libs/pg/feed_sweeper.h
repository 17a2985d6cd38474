// Deletes the events of a feed that are too old to be asked for, oldest first, and
// remembers how far it has come, so that a reader who was away for too long is told
// of a gap. Not what keeps subscribers (feed.h).
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "libs/exec/pool.h"
#include "libs/pg/database.h"

namespace gatehouse::pg {

// How long an event can be asked for.
inline constexpr std::chrono::hours kFeedAge{24};

// Deletes up to `batch` of the oldest events, as long as they are older than `age` by
// the database's clock; how many went. Safe to run in several processes.
absl::StatusOr<int> SweepFeed(Database& db, const std::string& schema,
                              std::chrono::milliseconds age, int batch);

// Sweeps each minute, from a thread of its own.
class FeedSweeper {
 public:
  // `db` must outlive this.
  FeedSweeper(Database& db, std::string schema);
  ~FeedSweeper();

 private:
  std::chrono::milliseconds Step();

  Database& db_;
  const std::string schema_;
  std::atomic<bool> stopping_ = false;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::pg
