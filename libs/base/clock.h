// Time as a dependency, so that tests can set it. Leases and expiry use the
// database's time, not this.
#pragma once

#include <atomic>
#include <chrono>

namespace gatehouse {

using Time = std::chrono::system_clock::time_point;
using SteadyTime = std::chrono::steady_clock::time_point;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time Now() const override { return std::chrono::system_clock::now(); }
};

// A clock for tests: stands still until it is set. Not for use in a service.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Time now) : since_epoch_(now.time_since_epoch().count()) {}
  Time Now() const override { return Time(Time::duration(since_epoch_.load())); }
  void Advance(std::chrono::microseconds by) {
    since_epoch_ += std::chrono::duration_cast<Time::duration>(by).count();
  }

 private:
  std::atomic<Time::rep> since_epoch_;
};

}  // namespace gatehouse
