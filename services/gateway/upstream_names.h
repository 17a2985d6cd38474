// From the URLs of an upstream to its endpoints, without ever waiting for longer than
// one wants to: the system's resolver cannot be interrupted, so it has a thread of its
// own, which is left alone when it takes too long.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "libs/http/upstream_group.h"

namespace gatehouse::gateway {

using Endpoints = std::vector<std::shared_ptr<http::Endpoint>>;

// A resolution under way, or done. Thread-safe.
class Resolution {
 public:
  // Numeric addresses are done at once.
  explicit Resolution(const std::vector<std::string>& urls);

  // Waits for at most `patience`.
  bool IsDone(std::chrono::milliseconds patience = std::chrono::milliseconds(0)) const;

  // What was found, once it is done: of all names that could be resolved.
  Endpoints Take();

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;  // With the thread, which may outlive this.
};

// "host:port" of a URL of an upstream.
std::string AuthorityOfUrl(const std::string& url);

}  // namespace gatehouse::gateway
