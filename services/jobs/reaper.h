// The housekeeping that one process of the service does for all: ends the leases
// of dead workers, and sends again what billing never confirmed. Not a scheduler.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libs/base/clock.h"
#include "libs/exec/pool.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/database.h"
#include "libs/pg/leader.h"

namespace gatehouse::jobs {

// Whether the observer itself has seen a healthy database without a break for a
// whole lease. Only then is a lease that ran out the worker's fault: a stalled
// database, or a frozen observer, must not expire everyone. Pure.
class HealthWatch {
 public:
  // Observations further apart than `gap_max` are a break.
  HealthWatch(std::chrono::milliseconds lease, std::chrono::milliseconds gap_max)
      : lease_(lease), gap_max_(gap_max) {}

  void Observe(bool healthy, SteadyTime now);
  bool MayReap(SteadyTime now) const;

 private:
  const std::chrono::milliseconds lease_;
  const std::chrono::milliseconds gap_max_;
  std::optional<SteadyTime> healthy_since_;
  SteadyTime observed_;
};

class Reaper {
 public:
  struct Options {
    std::chrono::milliseconds lease{3000};
    std::chrono::milliseconds interval{500};
    std::chrono::milliseconds sweep_interval{10000};
    std::chrono::milliseconds sweep_age{60000};  // Of the end of an unsettled job.
  };

  // Works from now on, while it leads. `changed` is called after it queued jobs
  // or messages; it must not block. `db` must outlive this.
  Reaper(pg::Database& db, Options options, std::function<void()> changed);
  ~Reaper();

 private:
  std::chrono::milliseconds Step();
  // Renews a session of its own, which is what it demands of workers.
  bool Probe();
  void Reap();
  void Sweep();

  pg::Database& db_;
  const Options options_;
  const std::function<void()> changed_;
  metrics::Counter& rescued_;
  // Only the ticker's thread uses these.
  HealthWatch watch_;
  std::string session_;
  SteadyTime next_sweep_{};
  pg::Leader leader_;
  std::unique_ptr<exec::Ticker> ticker_;
};

}  // namespace gatehouse::jobs
