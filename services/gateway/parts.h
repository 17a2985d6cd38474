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
#include "services/gateway/overload.h"
#include "services/gateway/route_metrics.h"
#include "services/gateway/upstreams.h"

namespace gatehouse::gateway {

class Authenticator;
class LeaseKeeper;
class LiveConfig;
class LiveSockets;
class Reloader;
class UserLimiter;

struct Parts {
  const Options& options;
  const Clock& clock;
  const LiveConfig& live;
  ControlState& control;
  Authenticator& authenticator;
  const Upstreams& upstreams;
  const HealthChecker& health;
  AddressLimiter& guesses;  // Unknown credentials per client address.
  UserLimiter& user_limiter;
  LeaseKeeper* leases;  // Redis; null where none is set.
  Overload& overload;
  LiveSockets& sockets;
  Reloader& reloader;
  RouteMetrics& unknown_route;
  metrics::Gauge& in_flight;
  std::atomic<bool>& is_draining;

  // Whether this gateway can serve protected routes.
  bool IsReady() const;
};

}  // namespace gatehouse::gateway
