// When an idempotent call is tried again: twice at most, only after UNAVAILABLE,
// only inside its deadline. Not a loop; the caller waits and calls.
#pragma once

#include <chrono>
#include <optional>

#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::rpc {

inline constexpr int kRetriesMax = 2;

// How long to wait before the next attempt, or nullopt when `status` is final.
// `retries` have been made so far. Jittered; a RetryInfo in `status` is heeded.
std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status, int retries,
                                                    std::chrono::milliseconds left);

}  // namespace gatehouse::rpc
