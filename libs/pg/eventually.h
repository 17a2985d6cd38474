// Waiting in tests for what another thread or process will do. Not for services.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace gatehouse::pg::testing {

// Asks `condition` until it holds; false when it did not within ten seconds.
inline bool Eventually(const std::function<bool()>& condition) {
  for (int round = 0; round < 1000; ++round) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

}  // namespace gatehouse::pg::testing
