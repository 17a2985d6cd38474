// What the requests of one gateway share: its parts by reference, and the few
// values that change while it runs. Owned by Gateway; owns nothing itself.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/metrics/metrics.h"
#include "services/gateway/address_limiter.h"
#include "services/gateway/control_state.h"
#include "services/gateway/health.h"
#include "services/gateway/options.h"
#include "services/gateway/upstreams.h"

namespace gatehouse::gateway {

// Resolved once per route.
struct RouteMetrics {
  RouteMetrics(const std::string& method, const std::string& route);

  std::string name;               // The template, for the log
  metrics::Counter* by_class[6];  // 1xx … 5xx; [0]: the client left
  metrics::Histogram* seconds;
};

struct Parts {
  const Options& options;
  const Clock& clock;
  ControlState& control;
  const Upstreams& upstreams;
  const HealthChecker& health;
  AddressLimiter& guesses;  // Unknown credentials per client address.
  RouteMetrics& unknown_route;
  metrics::Gauge& in_flight;
  std::atomic<bool>& access_log;
  std::atomic<bool>& is_draining;

  // Whether this gateway can serve protected routes.
  bool IsReady() const;
};

// What every answer carries beside its own: request id and security headers.
void AddCommonHeaders(const std::string& request_id, const Options& options,
                      http::Response* response);

// The line of the access log.
struct AccessEntry {
  const http::Request& request;
  const std::string& request_id;
  const std::string& trace_parent;
  const std::string& route;
  int status;
  std::size_t bytes;
  SteadyTime begin;
  std::string client_address;
  std::string user_id;
};
void WriteAccessLog(const AccessEntry& entry);

}  // namespace gatehouse::gateway
