#include "libs/rpc/retry.h"

#include <algorithm>
#include <random>

namespace gatehouse::rpc {
namespace {

// The second wait outlasts the first reconnect of a channel (100 ms).
constexpr long kFirstMillis = 50;
constexpr long kFactor = 4;

long Jittered(long millis) {
  thread_local std::minstd_rand random{std::random_device()()};
  return std::uniform_int_distribution<long>(millis / 2, millis * 3 / 2)(random);
}

}  // namespace

std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status, int retries,
                                                    std::chrono::milliseconds left) {
  if (status.code() != absl::StatusCode::kUnavailable || retries >= kRetriesMax) {
    return std::nullopt;
  }
  long millis = kFirstMillis;
  for (int i = 0; i < retries; ++i) millis *= kFactor;
  const std::chrono::milliseconds delay(std::max(Jittered(millis), RetryDelayMillis(status)));
  if (delay >= left) return std::nullopt;
  return delay;
}

}  // namespace gatehouse::rpc
