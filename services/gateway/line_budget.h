// How many lines of one kind the log gets in a second, so that what goes wrong with
// every request does not drown it. Writes nothing itself.
#pragma once

#include <atomic>
#include <cstdint>

#include "libs/base/clock.h"

namespace gatehouse::gateway {

// Thread-safe.
class LineBudget {
 public:
  explicit LineBudget(int lines_max) : lines_max_(lines_max) {}

  // Whether a line may be written. *suppressed: how many were not since the last second
  // in which one was written, told once.
  bool Take(SteadyTime now, std::int64_t* suppressed) {
    const std::int64_t second =
        std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    *suppressed = 0;
    if (second_.exchange(second, std::memory_order_relaxed) != second) {
      taken_.store(0, std::memory_order_relaxed);
      *suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
    }
    if (taken_.fetch_add(1, std::memory_order_relaxed) < lines_max_) return true;
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }

 private:
  const int lines_max_;
  std::atomic<std::int64_t> second_{-1};
  std::atomic<int> taken_{0};
  std::atomic<std::int64_t> suppressed_{0};
};

}  // namespace gatehouse::gateway
