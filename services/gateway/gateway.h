// The edge: takes each request from the HTTP server through host check, preflight,
// route table, overload, address limit and admission to its handler. Owns what
// requests share, and the configuration in force. Decides nothing about money, jobs
// or users; the services do.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "libs/http/server.h"
#include "libs/service/process.h"
#include "services/gateway/address_limiter.h"
#include "services/gateway/admission.h"
#include "services/gateway/control_watch.h"
#include "services/gateway/hot_config.h"
#include "services/gateway/parts.h"
#include "services/gateway/request_context.h"
#include "services/gateway/route.h"
#include "services/gateway/snapshot.h"

namespace gatehouse::gateway {

class ConfigFile;
class EventHub;
class UpstreamChecker;

// What a gateway of its own process has and one of a test may lack.
struct GatewayExtras {
  // Read again by a reload, with the file they came of. Both or neither; they must
  // outlive the gateway.
  config::Settings* settings = nullptr;
  ConfigFile* file = nullptr;
  std::string redis_url = {};                  // Empty: limits are this process's.
  std::string redis_ca_file = {};              // Whom to trust for rediss://; empty: the system's.
  std::string limits_namespace = "gatehouse";  // Whose limits these are, in Redis.
};

// As `settings` say. Both must outlive the gateway.
GatewayExtras ExtrasOf(config::Settings& settings, ConfigFile& file);

class Gateway {
 public:
  // Starts watching health, revocations, events and upstreams; `clock` must outlive
  // this.
  Gateway(Options options, HotConfig hot, Upstreams upstreams, const Clock& clock,
          GatewayExtras extras = {});
  ~Gateway();

  // Listens.
  absl::Status Start();

  // Where it listens, "127.0.0.1:8000".
  const std::string& address() const { return server_->address(); }

  // OK when protected routes can be served.
  absl::Status Ready() const;

  // The configuration in force.
  SnapshotPtr snapshot() const { return live_.Get(); }

  Reloader& reloader() { return *reloader_; }

  // With the status that /api/v1/ws/status tells.
  LiveSockets& sockets() { return *sockets_; }

  // Readiness off, then the listener: requests in hand finish, sockets end, within
  // `grace`.
  void Drain(std::chrono::milliseconds grace);

  // These as the hooks of a process; this must outlive them.
  service::Lifecycle Hooks();

 private:
  void Handle(std::shared_ptr<http::Exchange> exchange);
  void AnswerNoRoute(const Context& context, const http::Match& match);
  bool EnterLaneOf(const Context& context, const Route& route);
  void TakeFromAddress(const Context& context);
  void ResetLimits(std::int64_t flush, std::int64_t head);
  http::BodyPlan PlanBody(const http::Request& head) const;
  http::Response AnswerUnparsed(int status, const http::Request& request);
  void Apply(const Snapshot& snapshot);

  // In the order in which requests need them: what is below goes first.
  const Options options_;
  const Clock& clock_;
  RouteMetrics& unknown_route_;
  RouteMetrics& unparsed_;
  std::atomic<bool> is_draining_{false};
  ControlState control_;
  Authenticator authenticator_;
  const std::unique_ptr<LeaseKeeper> leases_;  // Null without Redis.
  AddressLimiter address_limiter_;
  AddressLimiter guesses_;
  Overload overload_;
  const std::unique_ptr<UserLimiter> user_limiter_;
  LiveConfig live_;
  std::unique_ptr<http::Server> server_;  // Above the clients: their calls answer through it.
  const Upstreams upstreams_;
  const Admission admission_;
  HealthChecker health_;
  const std::unique_ptr<EventHub> hub_;
  const std::unique_ptr<LiveSockets> sockets_;
  ControlWatch watch_;
  const std::unique_ptr<UpstreamChecker> checker_;
  const std::unique_ptr<Reloader> reloader_;
  Parts parts_;
};

}  // namespace gatehouse::gateway
