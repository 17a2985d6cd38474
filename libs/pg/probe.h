// Asks a database whether it answers and takes writes, on a session of its own and
// never longer than told, also when the server is frozen. Used inside libs/pg only.
//
// The table, in a migration of each service that has a database; half of its page
// stays free, so that a new version of the row takes the place of an old one:
//   CREATE TABLE <schema>.readiness_probe (
//     singleton boolean DEFAULT true PRIMARY KEY CHECK (singleton),
//     probe_time timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 50);
//   INSERT INTO <schema>.readiness_probe DEFAULT VALUES;
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "libs/base/clock.h"
#include "libs/status/status.h"

typedef struct pg_conn PGconn;

namespace gatehouse::pg {

// Thread-safe; probes take turns.
class Probe {
 public:
  // `table` is "schema.table" as above; when it is empty, nothing is written.
  Probe(std::string connection_string, const std::string& table);
  ~Probe();

  // OK when the server has answered, and stored the row, within `patience`. Else
  // UNAVAILABLE / DATABASE_UNAVAILABLE or DATABASE_READ_ONLY.
  absl::Status Ask(std::chrono::milliseconds patience);

 private:
  absl::Status Query(SteadyTime deadline);

  const std::string connection_string_;
  const std::string statement_;
  std::mutex mutex_;
  std::unique_ptr<PGconn, void (*)(PGconn*)> session_;  // guarded by mutex_
};

}  // namespace gatehouse::pg
