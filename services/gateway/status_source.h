// The network's status as the sockets of /api/v1/ws/status tell it: one JSON text that
// is replaced as a whole. Knows neither who makes it nor who reads it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace gatehouse::gateway {

// Thread-safe.
class StatusSource {
 public:
  struct Status {
    std::shared_ptr<const std::string> json;  // Null: nothing is known yet.
    std::uint64_t version = 0;                // Counts the changes.
  };

  void Set(std::string json) {
    auto next = std::make_shared<const std::string>(std::move(json));
    std::lock_guard lock(mutex_);
    status_.json = std::move(next);
    ++status_.version;
  }

  Status Get() const {
    std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  Status status_;  // guarded by mutex_
};

}  // namespace gatehouse::gateway
