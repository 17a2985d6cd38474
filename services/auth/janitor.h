// Deletes what nobody can use or ask for any more, a batch at a time, each minute.
// Safe to run in several processes. Never touches users nor the audit log.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <string>

#include "libs/exec/pool.h"
#include "libs/pg/database.h"

namespace gatehouse::auth {

// One round: up to `batches_max` batches of `batch` rows of each kind. How many rows
// went, by table. Stops between two batches once `*stopping`.
struct CleanOptions {
  int batch = 1000;
  int batches_max = 20;
  const std::atomic<bool>* stopping = nullptr;
};
absl::StatusOr<std::map<std::string, int>> Clean(pg::Database& db, const CleanOptions& options);

class Janitor {
 public:
  // `db` must outlive this.
  explicit Janitor(pg::Database& db);
  ~Janitor();

 private:
  std::chrono::milliseconds Step();

  pg::Database& db_;
  std::atomic<bool> stopping_ = false;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::auth
