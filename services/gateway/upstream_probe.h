// Asks several addresses at once how they do: a connection each, and one GET where a
// path is given. Blocks its caller; for the checker's thread. Not the forwarding of
// requests.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "libs/http/upstream_group.h"

namespace gatehouse::gateway {

struct ProbeTarget {
  std::shared_ptr<http::Endpoint> endpoint;
  std::string authority;    // For Host.
  std::string health_path;  // "": connecting is enough.
};

// Which of them are well, in order: connected, and answered 2xx or 3xx where a path is
// given, all within `patience`. Ends early when `stop_fd` becomes readable: then what has
// not answered yet counts as well, so that nobody is blamed for it.
std::vector<bool> Probe(const std::vector<ProbeTarget>& targets, std::chrono::milliseconds patience,
                        int stop_fd);

}  // namespace gatehouse::gateway
