// Asks a database whether it answers, on a session of its own and never longer
// than told, also when the server is frozen. Used inside libs/pg only.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

typedef struct pg_conn PGconn;

namespace gatehouse::pg {

// Thread-safe; probes take turns.
class Probe {
 public:
  explicit Probe(std::string connection_string);
  ~Probe();

  // Whether the server answered a query within `patience`.
  bool Answers(std::chrono::milliseconds patience);

 private:
  const std::string connection_string_;
  std::mutex mutex_;
  std::unique_ptr<PGconn, void (*)(PGconn*)> session_;  // guarded by mutex_
};

}  // namespace gatehouse::pg
