// Publishes the price file of PRICE_BOOK_FILE: at the start, again at each reload, and
// until the database takes it. Not the file's format (price_file.h).
#pragma once

#include <atomic>
#include <string>

#include "libs/exec/pool.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

class PriceLoader {
 public:
  // `db` must outlive this. Does nothing for an empty `path`.
  PriceLoader(pg::Database& db, std::string path);

  // Reads the file again, soon. What is in force already is not published twice.
  // Thread-safe.
  void Reload();

 private:
  std::chrono::milliseconds Step();

  pg::Database& db_;
  const std::string path_;
  std::atomic<bool> is_due_;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::billing
