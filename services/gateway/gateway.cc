#include "services/gateway/gateway.h"

#include "gatehouse/auth/v1/auth.methods.h"
#include "libs/base/uuid.h"
#include "services/gateway/credential.h"
#include "services/gateway/request_id.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

// How often a credential is looked up when its owner keeps changing meanwhile.
constexpr int kLookUpAttempts = 3;

bool IsUnsafe(const std::string& method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

std::string AllowHeader(const std::vector<std::string>& methods) {
  std::string allow;
  for (const std::string& method : methods) allow += method + ", ";
  return allow + "OPTIONS";
}

Problem ControlStreamLost() {
  Problem problem = ProblemOf(Error(absl::StatusCode::kUnavailable, "CONTROL_STREAM_LOST",
                                    "revocations cannot be known at present"));
  problem.service = "auth";
  return problem;
}

}  // namespace

void AddRoutes(RouteTable& table) {
  AddHealthRoutes(table);
  AddAuthRoutes(table);
  AddAdminRoutes(table);
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
      upstreams_(std::move(upstreams)),
      health_(upstreams_.All(), clock),
      watch_(UuidV7(), *upstreams_.auth, control_, [this] { authenticator_.Clear(); }),
      parts_{
          options_,       clock_,
          control_,       authenticator_,
          upstreams_,     health_,
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
  if (route.audience == Audience::kPublic) return route.handler(context);
  Authenticate(context);
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

void Gateway::Authenticate(const Context& context) {
  if (!control_.IsFresh(std::chrono::steady_clock::now())) {
    return context->Fail(ControlStreamLost());
  }
  const std::optional<Credential> credential = FindCredential(context->request());
  if (!credential) return context->Fail(ProblemOf(401));
  if (credential->from_cookie && options_.https_only && IsUnsafe(context->request().method) &&
      !HasCsrfProof(context->request())) {
    return context->Fail(Error(absl::StatusCode::kPermissionDenied, "CSRF_FAILED",
                               "X-CSRF-Token must equal the cookie csrf_token"));
  }
  std::string digest;
  absl::StatusOr<IdentityPtr> identity = authenticator_.Recall(credential->token, &digest);
  if (!identity.ok()) return context->Fail(identity.status());
  if (*identity != nullptr) return Admit(context, *std::move(identity));
  LookUp(context, digest, kLookUpAttempts);
}

void Gateway::LookUp(const Context& context, const std::string& digest, int attempts) {
  auth::v1::LookupTokenRequest request;
  request.set_digest(digest);
  context->Call(*upstreams_.auth, auth::v1::AuthService::kLookupToken, request,
                [this, context, digest,
                 attempts](const absl::StatusOr<auth::v1::LookupTokenResponse>& answer) {
                  if (absl::IsNotFound(answer.status()))
                    return context->Fail(authenticator_.Refuse(digest));
                  if (!answer.ok()) return context->Fail(answer.status(), "auth");
                  absl::StatusOr<IdentityPtr> identity = authenticator_.Accept(digest, *answer);
                  if (!identity.ok()) return context->Fail(identity.status());
                  if (*identity != nullptr) return Admit(context, *std::move(identity));
                  if (attempts > 1) return LookUp(context, digest, attempts - 1);
                  context->Fail(ControlStreamLost());
                });
}

void Gateway::Admit(const Context& context, IdentityPtr identity) {
  context->SetIdentity(std::move(identity));
  const Route& route = *context->route();
  if (MayUse(route, context->principal())) return route.handler(context);
  std::string message = ProblemOf(403).message;
  if (!route.requirement.empty()) message += "; it needs " + route.requirement;
  context->Fail(Error(absl::StatusCode::kPermissionDenied, "FORBIDDEN", message));
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
