#include "services/gateway/gateway.h"

#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "services/gateway/access_log.h"
#include "services/gateway/common_headers.h"
#include "services/gateway/cors.h"
#include "services/gateway/event_hub.h"
#include "services/gateway/lease_keeper.h"
#include "services/gateway/limit_check.h"
#include "services/gateway/limit_headers.h"
#include "services/gateway/live_sockets.h"
#include "services/gateway/reloader.h"
#include "services/gateway/request_id.h"
#include "services/gateway/routes.h"
#include "services/gateway/upstream_checker.h"
#include "services/gateway/user_limiter.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;

// Unknown credentials that an address may show: far above what mistakes make.
constexpr int kGuessesMax = 300;
constexpr std::chrono::seconds kGuessWindow{60};

// What the start waits for the addresses of upstreams that are names; the checker has
// all the time.
constexpr milliseconds kResolvePatience{500};

std::string AllowHeader(const std::vector<std::string>& methods) {
  std::string allow;
  for (const std::string& method : methods) allow += method + ", ";
  return allow + "OPTIONS";
}

SnapshotPtr FirstSnapshot(HotConfig hot) {
  SnapshotPtr snapshot = MakeSnapshot(std::move(hot), nullptr);
  ResolveNewGroups(*snapshot, nullptr, kResolvePatience);
  return snapshot;
}

std::unique_ptr<LeaseKeeper> MakeLeases(const GatewayExtras& extras) {
  if (extras.redis_url.empty()) return nullptr;
  return std::make_unique<LeaseKeeper>(extras.redis_url, extras.redis_ca_file,
                                       extras.limits_namespace);
}

}  // namespace

GatewayExtras ExtrasOf(config::Settings& settings, ConfigFile& file) {
  return {&settings, &file, settings.Text("REDIS_URL"), settings.Text("REDIS_CA_FILE"),
          settings.Text("LIMITS_NAMESPACE")};
}

Gateway::Gateway(Options options, HotConfig hot, Upstreams upstreams, const Clock& clock,
                 GatewayExtras extras)
    : options_(std::move(options)),
      clock_(clock),
      unknown_route_(MetricsOf("*", "unknown")),
      unparsed_(MetricsOf("*", "unparsed")),
      authenticator_(control_, clock),
      leases_(MakeLeases(extras)),
      address_limiter_(options_.auth_rate_limit, options_.auth_rate_window, leases_.get(), "login"),
      guesses_(kGuessesMax, kGuessWindow),
      user_limiter_(std::make_unique<UserLimiter>(leases_.get())),
      live_(FirstSnapshot(std::move(hot))),
      upstreams_(std::move(upstreams)),
      admission_(options_, control_, authenticator_, upstreams_, leases_.get()),
      health_(upstreams_.All(), clock),
      hub_(std::make_unique<EventHub>(std::vector<rpc::Client*>{
          upstreams_.jobs.get(), upstreams_.billing.get(), upstreams_.auth.get()})),
      sockets_(std::make_unique<LiveSockets>(*hub_)),
      watch_(
          UuidV7(), *upstreams_.auth, control_, [this] { authenticator_.Clear(); },
          [this](std::int64_t flush, std::int64_t head) { ResetLimits(flush, head); }),
      checker_(std::make_unique<UpstreamChecker>(live_)),
      reloader_(std::make_unique<Reloader>(extras.settings, extras.file, live_,
                                           [this](const Snapshot& next) { Apply(next); })),
      parts_{options_,
             clock_,
             live_,
             control_,
             authenticator_,
             upstreams_,
             health_,
             guesses_,
             *user_limiter_,
             leases_.get(),
             overload_,
             *sockets_,
             *reloader_,
             unknown_route_,
             metrics::GetGauge("gatehouse_http_in_flight", "Requests being answered."),
             is_draining_} {
  Apply(*live_.Get());
}

Gateway::~Gateway() {
  Drain(milliseconds(0));
  // What still waits for it is nobody's any more.
  if (leases_ != nullptr) leases_->Stop();
}

// Every bucket is full again.
void Gateway::ResetLimits(std::int64_t flush, std::int64_t head) {
  user_limiter_->Clear();
  address_limiter_.Clear();
  guesses_.Clear();
  admission_.ClearAnonymous();
  if (leases_ != nullptr) leases_->Clear(flush, head);
}

// What parts keep of the configuration; the rest asks the snapshot of its request.
void Gateway::Apply(const Snapshot& snapshot) {
  const HotConfig& config = snapshot.config;
  authenticator_.SetCache(config.cache_ttl, config.cache_size_max);
  admission_.LimitAnonymous(config.anonymous_requests, config.anonymous_window);
  checker_->Wake();
}

absl::Status Gateway::Start() {
  http::ServerOptions server;
  server.address = options_.http_address;
  server.workers = options_.http_workers;
  server.error_page = [this](int status, const http::Request& request) {
    return AnswerUnparsed(status, request);
  };
  server.body_plan = [this](const http::Request& head) { return PlanBody(head); };
  GH_ASSIGN_OR_RETURN(server_,
                      http::Server::Start(server, [this](std::shared_ptr<http::Exchange> exchange) {
                        Handle(std::move(exchange));
                      }));
  sockets_->Attach(server_.get());
  return absl::OkStatus();
}

absl::Status Gateway::Ready() const {
  if (parts_.IsReady()) return absl::OkStatus();
  return Error(absl::StatusCode::kUnavailable, "GATEWAY_NOT_READY",
               "draining, or auth, its control stream or the database is down");
}

void Gateway::Drain(milliseconds grace) {
  is_draining_ = true;
  if (!server_) return;
  server_->Drain(grace);
  sockets_->Attach(nullptr);
}

service::Lifecycle Gateway::Hooks() {
  service::Lifecycle hooks;
  hooks.start = [this](std::vector<std::string>* ready_lines) -> absl::Status {
    GH_RETURN_IF_ERROR(Start());
    if (leases_ == nullptr) log::Info("limits are this process's own; REDIS_URL is not set");
    ready_lines->push_back("http=" + address());
    return absl::OkStatus();
  };
  hooks.drain = [this](milliseconds grace) { Drain(grace); };
  hooks.read_again = [this] { return reloader_->Reload(); };
  hooks.ready = [this] { return Ready(); };
  return hooks;
}

void Gateway::Handle(std::shared_ptr<http::Exchange> exchange) {
  const auto context = std::make_shared<RequestContext>(parts_, std::move(exchange));
  const http::Request& request = context->request();
  const Snapshot& snapshot = context->snapshot();
  if (!options_.allowed_hosts.Allows(request.Find("Host").value_or(""))) {
    return context->Fail(Error(absl::StatusCode::kInvalidArgument, "HOST_NOT_ALLOWED",
                               "this server does not serve that host"));
  }
  const http::Match match = snapshot.table.router().Find(request.method, request.path);
  if (match.route < 0) return AnswerNoRoute(context, match);
  const auto index = static_cast<std::size_t>(match.route);
  const Route& route = snapshot.table.routes()[index];
  context->Enter(route, *snapshot.metrics[index], match);
  // Its body was left to a proxied route that a reload has taken away meanwhile.
  if (request.body_follows && route.upstream.empty()) return context->Fail(ProblemOf(503));
  if (!EnterLaneOf(context, route)) return;
  if (route.limit == Limit::kAddress) return TakeFromAddress(context);
  admission_.Admit(context);
}

void Gateway::AnswerNoRoute(const Context& context, const http::Match& match) {
  if (!match.path_known) return context->Fail(ProblemOf(404));
  const http::Request& request = context->request();
  const http::Header allow{"Allow", AllowHeader(match.allow)};
  if (request.method == "OPTIONS") {
    auto response = AnswerPreflight(context->snapshot().config.cors, request, match.allow);
    if (!response) response.emplace().status = 204;
    response->headers.push_back(allow);
    return context->Reply(*std::move(response));
  }
  Problem problem = ProblemOf(405);
  problem.headers.push_back(allow);
  context->Fail(std::move(problem));
}

// A gateway that is full says so at once, before anything of the request is looked at.
bool Gateway::EnterLaneOf(const Context& context, const Route& route) {
  const Lane lane = LaneOf(route);
  const auto& in_flight_max = context->snapshot().config.in_flight_max;
  const auto most = in_flight_max.find(lane);
  if (most == in_flight_max.end()) return true;  // Health is never refused.
  if (context->EnterLane(lane, most->second)) return true;
  Problem problem = ProblemOf(503);
  problem.code = "OVERLOADED";
  problem.message = "too many requests are in hand; try again";
  problem.headers.push_back({"Retry-After", "1"});
  context->Fail(std::move(problem));
  return false;
}

// Before anything of the request is read or asked: a flood must cost little.
void Gateway::TakeFromAddress(const Context& context) {
  const SteadyTime now = std::chrono::steady_clock::now();
  AskLimit(
      context,
      [&](const LaterVerdict& later) {
        return address_limiter_.Take(context->client_address(), now, later);
      },
      [this](const Context& limited, const LimitVerdict& verdict) {
        limited->SetLimit("address", verdict);
        if (verdict.is_allowed) return admission_.Admit(limited);
        limited->Fail(AddressLimited(verdict, "Too many login attempts"));
      });
}

// Bodies for upstreams are passed on as they come; others are read whole.
http::BodyPlan Gateway::PlanBody(const http::Request& head) const {
  const SnapshotPtr snapshot = live_.Get();
  http::BodyPlan plan;
  plan.bytes_max = snapshot->config.body_bytes_max;
  const http::Match match = snapshot->table.router().Find(head.method, head.path);
  if (match.route < 0) return plan;
  const Route& route = snapshot->table.routes()[static_cast<std::size_t>(match.route)];
  plan.streams = !route.upstream.empty();
  if (plan.streams) plan.bytes_max = snapshot->config.proxied_body_bytes_max;
  if (route.body_bytes_max > 0) plan.bytes_max = route.body_bytes_max;
  return plan;
}

http::Response Gateway::AnswerUnparsed(int status, const http::Request& request) {
  const SteadyTime now = std::chrono::steady_clock::now();
  const std::string request_id = RequestId(request);
  http::Response response = ErrorResponse(ProblemOf(status), request, request_id);
  const SnapshotPtr snapshot = live_.Get();
  AddCorsHeaders(snapshot->config.cors, request, &response);
  AddCommonHeaders(request_id, options_, &response);
  unparsed_.by_class[status >= 500 ? 5 : 4]->Increment();
  if (snapshot->config.access_log) {
    const std::string no_trace;
    WriteAccessLog({.request = request,
                    .request_id = request_id,
                    .trace_parent = no_trace,
                    .route = unparsed_.name,
                    .status = status,
                    .bytes = response.body.size(),
                    .begin = now,
                    .client_address = ClientAddress(request, options_.trusted_proxies)});
  }
  return response;
}

}  // namespace gatehouse::gateway
