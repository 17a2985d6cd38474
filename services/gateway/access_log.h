// One line per request, when its answer is complete: what was asked by its route's
// template, by whom, where it went, how it ended, how long each part took, what the
// limits said. Never a credential, a query or a path as it was sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/clock.h"
#include "libs/http/forward.h"
#include "libs/http/message.h"
#include "services/gateway/address_limiter.h"

namespace gatehouse::gateway {

struct AccessEntry {
  const http::Request& request;
  const std::string& request_id;
  const std::string& trace_parent;
  const std::string& route;
  int status = 0;
  std::uint64_t bytes = 0;
  SteadyTime begin;
  std::string_view client_address;  // As all below: only for the time of the call.
  std::string_view user_id = "";
  std::int64_t tenant_id = 0;
  std::string_view limit_name = "";  // "address", "user", …; "" where nothing was counted.
  LimitVerdict limit = {};
  std::string_view upstream = "";               // Group; "" for own routes.
  const http::ForwardReport* report = nullptr;  // Of a proxied request.
};
void WriteAccessLog(const AccessEntry& entry);

// A request that was refused for want of a good credential or right.
struct Refusal {
  std::string_view request_id;
  std::string_view route;
  int status = 0;
  std::string_view code;  // As the client was told.
  std::string_view client_address;
  std::string_view user_id = "";  // Of who lacks a right; "" where nobody is known.
};

// One line, at most kRefusalLinesMax a second; then one says how many there were beyond.
// Thread-safe.
inline constexpr int kRefusalLinesMax = 10;
void WriteRefusal(const Refusal& refusal);

}  // namespace gatehouse::gateway
