// The edge: takes each request from the HTTP server through host check, route
// table, address limit and admission to its handler. Owns what requests share.
// Decides nothing about money, jobs or users; the services do.
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
#include "services/gateway/parts.h"
#include "services/gateway/request_context.h"
#include "services/gateway/route.h"

namespace gatehouse::gateway {

class Gateway {
 public:
  // Starts watching health and revocations; `clock` must outlive this.
  Gateway(Options options, Upstreams upstreams, const Clock& clock);
  ~Gateway();

  // Listens.
  absl::Status Start();

  // Where it listens, "127.0.0.1:8000".
  const std::string& address() const { return server_->address(); }

  // OK when protected routes can be served.
  absl::Status Ready() const;

  void SetAccessLog(bool enabled) { access_log_ = enabled; }

  // Readiness off, then the listener: in-hand requests finish within `grace`.
  void Drain(std::chrono::milliseconds grace);

  // These as the hooks of a process; `settings` and this must outlive them.
  service::Lifecycle Hooks(const config::Settings& settings);

 private:
  void Handle(std::shared_ptr<http::Exchange> exchange);
  void AnswerNoRoute(const Context& context, const http::Match& match);
  bool TakeFromAddress(const Context& context);
  http::Response AnswerUnparsed(int status, const http::Request& request);

  // In the order in which requests need them: what is below goes first.
  const Options options_;
  const Clock& clock_;
  RouteTable table_;
  std::vector<RouteMetrics> metrics_;  // By index of the route.
  RouteMetrics unknown_route_;
  RouteMetrics unparsed_;
  std::atomic<bool> access_log_;
  std::atomic<bool> is_draining_{false};
  ControlState control_;
  Authenticator authenticator_;
  AddressLimiter address_limiter_;
  AddressLimiter guesses_;
  std::unique_ptr<http::Server> server_;  // Above the clients: their calls answer through it.
  const Upstreams upstreams_;
  const Admission admission_;
  HealthChecker health_;
  ControlWatch watch_;
  Parts parts_;
};

}  // namespace gatehouse::gateway
