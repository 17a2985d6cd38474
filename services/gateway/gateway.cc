#include "services/gateway/gateway.h"

#include "libs/base/uuid.h"
#include "services/gateway/limit_headers.h"
#include "services/gateway/request_id.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

// Unknown credentials that an address may show: far above what mistakes make.
constexpr int kGuessesMax = 300;
constexpr std::chrono::seconds kGuessWindow{60};

std::string AllowHeader(const std::vector<std::string>& methods) {
  std::string allow;
  for (const std::string& method : methods) allow += method + ", ";
  return allow + "OPTIONS";
}

}  // namespace

void AddRoutes(RouteTable& table) {
  AddHealthRoutes(table);
  AddAuthRoutes(table);
  AddPlatformRoutes(table);
  AddV1AuthRoutes(table);
  AddV1UserRoutes(table);
  AddKeyRoutes(table);
  AddAdminRoutes(table);
  AddTenantRoutes(table);
  AddPasskeyRoutes(table);
  AddBillingRoutes(table);
  AddJobRoutes(table);
}

Gateway::Gateway(Options options, Upstreams upstreams, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      unknown_route_("*", "unknown"),
      unparsed_("*", "unparsed"),
      access_log_(options_.access_log),
      authenticator_(control_, clock),
      address_limiter_(options_.auth_rate_limit, options_.auth_rate_window),
      guesses_(kGuessesMax, kGuessWindow),
      upstreams_(std::move(upstreams)),
      admission_(options_, control_, authenticator_, upstreams_),
      health_(upstreams_.All(), clock),
      watch_(UuidV7(), *upstreams_.auth, control_, [this] { authenticator_.Clear(); }),
      parts_{
          options_,       clock_,
          control_,       upstreams_,
          health_,        guesses_,
          unknown_route_, metrics::GetGauge("gatehouse_http_in_flight", "Requests being answered."),
          access_log_,    is_draining_} {
  AddRoutes(table_);
  for (const Route& route : table_.routes()) metrics_.emplace_back(route.method, route.path);
}

Gateway::~Gateway() { Drain(std::chrono::milliseconds(0)); }

absl::Status Gateway::Start() {
  http::ServerOptions server;
  server.address = options_.http_address;
  server.workers = options_.http_workers;
  server.error_page = [this](int status, const http::Request& request) {
    return AnswerUnparsed(status, request);
  };
  GH_ASSIGN_OR_RETURN(server_,
                      http::Server::Start(server, [this](std::shared_ptr<http::Exchange> exchange) {
                        Handle(std::move(exchange));
                      }));
  return absl::OkStatus();
}

absl::Status Gateway::Ready() const {
  if (parts_.IsReady()) return absl::OkStatus();
  return Error(absl::StatusCode::kUnavailable, "GATEWAY_NOT_READY",
               "draining, or auth, its control stream or the database is down");
}

void Gateway::Drain(std::chrono::milliseconds grace) {
  is_draining_ = true;
  if (server_) server_->Drain(grace);
}

service::Lifecycle Gateway::Hooks(const config::Settings& settings) {
  service::Lifecycle hooks;
  hooks.start = [this](std::vector<std::string>* ready_lines) -> absl::Status {
    GH_RETURN_IF_ERROR(Start());
    ready_lines->push_back("http=" + address());
    return absl::OkStatus();
  };
  hooks.drain = [this](std::chrono::milliseconds grace) { Drain(grace); };
  hooks.reload = [this, &settings](const std::vector<std::string>&) {
    SetAccessLog(settings.Bool("ACCESS_LOG"));
  };
  hooks.ready = [this] { return Ready(); };
  return hooks;
}

void Gateway::Handle(std::shared_ptr<http::Exchange> exchange) {
  const auto context = std::make_shared<RequestContext>(parts_, std::move(exchange));
  const http::Request& request = context->request();
  if (!options_.allowed_hosts.Allows(request.Find("Host").value_or(""))) {
    return context->Fail(Error(absl::StatusCode::kInvalidArgument, "HOST_NOT_ALLOWED",
                               "this server does not serve that host"));
  }
  const http::Match match = table_.router().Find(request.method, request.path);
  if (match.route < 0) return AnswerNoRoute(context, match);
  const auto index = static_cast<std::size_t>(match.route);
  const Route& route = table_.routes()[index];
  context->Enter(route, metrics_[index], match);
  if (route.limit == Limit::kAddress && !TakeFromAddress(context)) return;
  admission_.Admit(context);
}

void Gateway::AnswerNoRoute(const Context& context, const http::Match& match) {
  if (!match.path_known) return context->Fail(ProblemOf(404));
  const http::Header allow{"Allow", AllowHeader(match.allow)};
  if (context->request().method == "OPTIONS") {
    http::Response response;
    response.status = 204;
    response.headers.push_back(allow);
    return context->Reply(std::move(response));
  }
  Problem problem = ProblemOf(405);
  problem.headers.push_back(allow);
  context->Fail(std::move(problem));
}

// Before anything of the request is read or asked: a flood must cost little.
bool Gateway::TakeFromAddress(const Context& context) {
  const LimitVerdict verdict =
      address_limiter_.Take(context->client_address(), std::chrono::steady_clock::now());
  context->SetLimit("address", verdict);
  if (!verdict.is_allowed) context->Fail(AddressLimited(verdict, "Too many login attempts"));
  return verdict.is_allowed;
}

http::Response Gateway::AnswerUnparsed(int status, const http::Request& request) {
  const SteadyTime now = std::chrono::steady_clock::now();
  const std::string request_id = RequestId(request);
  http::Response response = ErrorResponse(ProblemOf(status), request, request_id);
  AddCommonHeaders(request_id, options_, &response);
  unparsed_.by_class[status >= 500 ? 5 : 4]->Increment();
  if (access_log_) {
    WriteAccessLog({request, request_id, "", unparsed_.name, status, response.body.size(), now,
                    ClientAddress(request, options_.trusted_proxies), ""});
  }
  return response;
}

}  // namespace gatehouse::gateway
