// One holder among the replicas of a service, by a session advisory lock on a
// connection of its own. Losing the connection loses the lead; work that must
// not run twice also needs a guard in its own SQL. Not a queue of candidates: who
// asks first after a loss gets it. A holder that does not ask for 3 seconds, such
// as a frozen process, loses the lead.
#pragma once

#include <memory>
#include <string>

#include "libs/pg/database.h"

namespace gatehouse::pg {

// Not thread-safe: one thread owns it.
class Leader {
 public:
  // `name` is hashed to the lock's key: "jobs.reaper".
  Leader(const Database& db, const std::string& name);
  ~Leader();

  // Tries to become or to remain the leader: connects, tries the lock, or checks
  // that the connection still answers. Never blocks on the lock.
  bool Lead();

 private:
  const std::string url_;
  const std::string name_;
  std::unique_ptr<Session> session_;
  bool leads_ = false;
};

}  // namespace gatehouse::pg
