// Keeps the upstream groups of the live configuration fit for use, on a thread of its
// own: resolves their names again and again, asks each address how it does, tells both
// to the group, the log and the metrics. Sends no client's request.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "libs/base/clock.h"
#include "libs/base/unique_fd.h"
#include "libs/exec/pool.h"
#include "services/gateway/snapshot.h"

namespace gatehouse::gateway {

// Gives each group whose URLs `previous` (null: there was none) did not have their
// addresses. Numeric ones need nothing; for names it waits for at most `patience` in all,
// and leaves what has not come by then to the checker, as it does names that have been
// unknown before.
void ResolveNewGroups(const Snapshot& snapshot, const Snapshot* previous,
                      std::chrono::milliseconds patience);

class UpstreamChecker {
 public:
  static constexpr std::chrono::seconds kResolveInterval{30};
  // An address is down after so many probes in a row that failed, and up after one.
  static constexpr int kFailuresMax = 2;

  // `live` must outlive this.
  explicit UpstreamChecker(const LiveConfig& live);
  ~UpstreamChecker();

  // Has all names resolved and all addresses probed now: the configuration has changed.
  // Thread-safe.
  void Wake();

 private:
  struct Watched;

  std::chrono::milliseconds Step();
  void Resolve(const UpstreamConfig& config, Watched* watched, SteadyTime now);
  void ForgetOthers(const Snapshot& snapshot);
  void ProbeDue(const Snapshot& snapshot, SteadyTime now);
  void ShowStates(const Snapshot& snapshot, SteadyTime now);

  const LiveConfig& live_;
  UniqueFd stop_;  // An eventfd: readable from the destructor on.
  std::atomic<bool> woken_{false};
  std::map<std::string, std::unique_ptr<Watched>> watched_;  // By group; on the thread.
  std::unique_ptr<exec::Ticker> ticker_;
};

}  // namespace gatehouse::gateway
