// Whether the process can serve now: asks its parts, tells its clients (gRPC
// health), its metrics and its log. Owned by one thread, the main thread.
#pragma once

#include <chrono>
#include <functional>

#include "libs/base/clock.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::service {

class Readiness {
 public:
  // `db` may be null and `ready` empty. `server` and `db` must outlive this.
  Readiness(rpc::Server& server, pg::Database* db, std::function<absl::Status()> ready);

  // Asks once. Blocks for as long as the parts take to answer.
  void Check();

  // Not ready from now on; there is no check after it.
  void End();

  // How long to wait before the next check: short until the first success, so
  // that a start is quick.
  std::chrono::milliseconds pause() const;

  // Whether it was ready once, or has not been for so long that whoever waits
  // for the start should see it.
  bool settled() const { return settled_; }

 private:
  absl::Status Ask();
  void Tell(bool serving);

  rpc::Server& server_;
  pg::Database* const db_;
  const std::function<absl::Status()> ready_;
  metrics::Gauge& gauge_;
  const SteadyTime start_;
  bool asked_ = false;
  absl::Status last_;  // What the parts said; another problem is logged, too.
  bool serving_ = false;
  bool settled_ = false;
  bool was_ready_ = false;
};

}  // namespace gatehouse::service
