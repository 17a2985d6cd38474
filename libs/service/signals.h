// The signals of a process, taken by its main thread with sigwait. No handlers:
// they could run anywhere.
#pragma once

#include <chrono>
#include <optional>

namespace gatehouse::service {

// Blocks SIGTERM, SIGINT and SIGHUP for this thread and those it will start.
// Call before any thread exists.
void BlockSignals();

// The next of these signals, or nothing when none came within `timeout`.
std::optional<int> WaitForSignal(std::chrono::milliseconds timeout);

}  // namespace gatehouse::service
