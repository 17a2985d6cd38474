// Bounds the requests in hand, a class of routes at a time, so that a flood of one
// kind leaves room for the others: health is never refused, administrators have a
// lane of their own. Refuses at once; queues nothing.
#pragma once

#include <array>
#include <atomic>

#include "services/gateway/route.h"

namespace gatehouse::gateway {

// Thread-safe.
class Overload {
 public:
  // False when `most` are in hand already; nothing is counted then.
  bool Enter(Lane lane, int most) {
    std::atomic<int>& count = counts_[static_cast<std::size_t>(lane)];
    if (count.fetch_add(1, std::memory_order_relaxed) < most) return true;
    count.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void Leave(Lane lane) {
    counts_[static_cast<std::size_t>(lane)].fetch_sub(1, std::memory_order_relaxed);
  }
  int InHand(Lane lane) const {
    return counts_[static_cast<std::size_t>(lane)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<int>, kLanes> counts_{};
};

}  // namespace gatehouse::gateway
