// Polls the gRPC health of every process behind the edge, in the background, so
// that a health route answers from memory. Judges the whole by its parts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/exec/pool.h"
#include "libs/rpc/client.h"

namespace gatehouse::gateway {

enum class Health { kHealthy, kDegraded, kUnhealthy };

const char* HealthText(Health health);  // "healthy"

struct PartHealth {
  std::string name;
  bool is_serving = false;
  Time check_time;  // Of the last answer; the epoch before the first.
};

// Auth or the database down: unhealthy. Any other part, the gateway's own
// control stream and the shared store of limits included, down: degraded.
Health Judge(const std::vector<PartHealth>& parts, bool control_is_fresh,
             bool store_is_down = false);

// Whether the process `name` serves.
bool IsServing(const std::vector<PartHealth>& parts, const std::string& name);

// The database is up when a process that needs it serves.
bool IsDatabaseUp(const std::vector<PartHealth>& parts);

class HealthChecker {
 public:
  static constexpr std::chrono::milliseconds kInterval{1000};
  static constexpr std::chrono::milliseconds kTimeout{1000};

  // Starts polling. The clients and the clock must outlive this.
  HealthChecker(std::vector<rpc::Client*> clients, const Clock& clock);
  ~HealthChecker();

  // In the order of the clients. Thread-safe.
  std::vector<PartHealth> Parts() const;

 private:
  struct Board;
  std::chrono::milliseconds Check();

  const std::vector<rpc::Client*> clients_;
  // Shared with checks in flight, which may end after this.
  const std::shared_ptr<Board> board_;
  exec::Ticker ticker_;  // Last: it calls Check.
};

}  // namespace gatehouse::gateway
