#include "services/gateway/request_context.h"

#include <algorithm>

#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "libs/trace/trace.h"
#include "services/gateway/access_log.h"
#include "services/gateway/common_headers.h"
#include "services/gateway/cookies.h"
#include "services/gateway/cors.h"
#include "services/gateway/envelope.h"
#include "services/gateway/limit_headers.h"
#include "services/gateway/request_id.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kReserve{50};  // For the way back to the client.
constexpr int kClientLeft = 499;

void UseCodesOf(const Route& route, Problem* problem) {
  const bool is_forbidden = problem->code == "FORBIDDEN";
  if (problem->status == 401 && !route.code_401.empty()) problem->code = route.code_401;
  if (is_forbidden && !route.code_403.empty()) problem->code = route.code_403;
}

std::string NewTraceParent(const http::Request& request) {
  const auto sent = request.Find("traceparent");
  const auto parent =
      sent && request.Count("traceparent") == 1 ? trace::Parse(std::string(*sent)) : std::nullopt;
  return parent ? trace::Format(trace::Child(*parent)) : trace::StartText();
}

}  // namespace

bool IsJsonType(std::string_view content_type) {
  const std::size_t semicolon = content_type.find(';');
  if (!SameAsciiText(Trim(content_type.substr(0, semicolon)), "application/json")) return false;
  if (semicolon == std::string_view::npos) return true;
  std::string parameter = AsciiLower(Trim(content_type.substr(semicolon + 1)));
  std::erase(parameter, '"');
  return parameter.empty() || parameter == "charset=utf-8";
}

http::Response JsonResponse(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = std::move(body);
  return response;
}

RequestContext::RequestContext(const Parts& parts, std::shared_ptr<http::Exchange> exchange)
    : parts_(parts),
      snapshot_(parts.live.Get()),
      exchange_(std::move(exchange)),
      begin_(steady_clock::now()),
      request_id_(RequestId(exchange_->request())),
      metrics_(&parts.unknown_route) {
  parts_.in_flight.Add(1);
}

RequestContext::~RequestContext() {
  parts_.in_flight.Add(-1);
  if (!answered_) Account(kClientLeft, 0, nullptr);
  if (lane_) parts_.overload.Leave(*lane_);
}

bool RequestContext::EnterLane(Lane lane, int most) {
  if (!parts_.overload.Enter(lane, most)) return false;
  lane_ = lane;
  return true;
}

void RequestContext::Enter(const Route& route, RouteMetrics& metrics, const http::Match& match) {
  route_ = &route;
  metrics_ = &metrics;
  path_parameters_ = match.parameters;
  exchange_->OnGone([weak = weak_from_this()] {
    // The exchange outlives nobody here: a strong reference would be a cycle.
    const Context self = weak.lock();
    if (!self) return;
    self->has_left_ = true;
    if (self->call_) self->call_->Cancel();
    self->call_.reset();
  });
}

const std::string& RequestContext::client_address() const {
  if (client_address_.empty()) {
    client_address_ = ClientAddress(request(), parts_.options.trusted_proxies);
  }
  return client_address_;
}

const std::string& RequestContext::trace_parent() {
  if (trace_parent_.empty()) trace_parent_ = NewTraceParent(request());
  return trace_parent_;
}

std::string RequestContext::user_agent() const {
  return Printable(request().Find("User-Agent").value_or(""), 512);
}

absl::StatusOr<std::int64_t> RequestContext::Tenant() const {
  if (principal().tenant_id() > 0) return principal().tenant_id();
  return Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "the user has no tenant");
}

absl::StatusOr<std::int64_t> RequestContext::VisibleTenant() const {
  if (IsStaff()) return 0;
  return Tenant();
}

absl::StatusOr<JsonBody> RequestContext::Body() const {
  if (request().body.empty()) return JsonBody::Parse("");
  if (request().Count("Content-Type") != 1 || !IsJsonType(*request().Find("Content-Type"))) {
    return Error(absl::StatusCode::kInvalidArgument, "UNSUPPORTED_MEDIA_TYPE",
                 "the body must be application/json");
  }
  return JsonBody::Parse(request().body);
}

std::string_view RequestContext::PathSegment(std::string_view name) const {
  for (const auto& [key, value] : path_parameters_) {
    if (key == name) return value;
  }
  return {};
}

std::string RequestContext::PathText(const std::string& name) const {
  return http::DecodePath(PathSegment(name)).value_or("");
}

absl::StatusOr<std::string> RequestContext::PathUuid(const std::string& name) const {
  const std::string id = PathText(name);
  if (IsUuid(id)) return AsciiLower(id);
  return Error(absl::StatusCode::kInvalidArgument, "ID_INVALID", "the id must be a UUID");
}

absl::StatusOr<std::string> RequestContext::PathUser(const std::string& name) const {
  const std::string id = PathText(name);
  if (IsUuid(id)) return AsciiLower(id);
  const std::optional<std::int64_t> number = ParseInteger(id);
  if (number && *number > 0) return std::to_string(*number);
  return Error(absl::StatusCode::kInvalidArgument, "ID_INVALID",
               "the id must be a UUID or a positive integer");
}

auth::v1::Origin RequestContext::Origin() const {
  auth::v1::Origin origin;
  origin.set_client_address(client_address());
  origin.set_user_agent(user_agent());
  return origin;
}

std::optional<Problem> RequestContext::GuessesRefused() const {
  const LimitVerdict verdict = parts_.guesses.Peek(client_address(), steady_clock::now());
  if (verdict.is_allowed) return std::nullopt;
  return AddressLimited(verdict, "Too many unknown credentials");
}

void RequestContext::NoteGuess() const {
  parts_.guesses.Take(client_address(), steady_clock::now());
}

rpc::CallOptions RequestContext::NextCallOptions() {
  const SteadyTime now = steady_clock::now();
  const milliseconds most =
      std::min(DurationOf(route_->timeout), snapshot_->config.gateway_timeout) - kReserve;
  // A stream may live for hours before it asks for something.
  const SteadyTime begin = route_->timeout == Timeout::kStream ? now : begin_;
  const auto left = std::chrono::duration_cast<milliseconds>(begin + most - now);
  rpc::CallOptions options;
  options.timeout = std::max(left, milliseconds(1));
  if (identity_) options.principal = identity_->principal;
  options.request_id = request_id_;
  options.trace_parent = trace_parent();
  options.idempotent = request().method == "GET" || request().method == "HEAD";
  return options;
}

void RequestContext::SetLimit(const std::string& name, const LimitVerdict& verdict) {
  limit_name_ = name;
  limit_ = verdict;
}

// What every answer carries beside its own.
void RequestContext::Complete(http::Response* response) {
  if (identity_ && cookie_age_ && !SetsSessionCookie(*response)) {
    RenewLoginCookies(parts_.options, request(), *cookie_age_, response);
  }
  AddLimitHeaders(limit_, limit_name_, parts_.clock.Now(), response);
  AddCorsHeaders(snapshot_->config.cors, request(), response);
  AddCommonHeaders(request_id_, parts_.options, response);
  if (parts_.options.strict_envelope && IsEnveloped(request().path)) Enclose(response);
}

void RequestContext::AppendCommonLines(const std::function<bool(std::string_view)>& has,
                                       std::string* lines) {
  if (identity_ && cookie_age_) {
    http::Response cookies;
    RenewLoginCookies(parts_.options, request(), *cookie_age_, &cookies);
    for (const http::Header& cookie : cookies.headers) {
      lines->append(cookie.name).append(": ").append(cookie.value).append("\r\n");
    }
  }
  if (!has("X-RateLimit-Limit")) AppendLimitLines(limit_, limit_name_, parts_.clock.Now(), lines);
  AppendCorsLines(snapshot_->config.cors, request(), lines);
  gateway::AppendCommonLines(request_id_, parts_.options, has, lines);
}

void RequestContext::Reply(http::Response response) {
  if (answered_) return;
  answered_ = true;
  const int status = response.status;
  Complete(&response);
  Account(status, response.body.size(), nullptr);
  exchange_->Reply(std::move(response));
}

void RequestContext::FinishStream(int status, std::uint64_t bytes,
                                  const http::ForwardReport* report) {
  if (std::exchange(answered_, true)) return;
  Account(status == 0 ? kClientLeft : status, bytes, report);
}

void RequestContext::ReplyJson(int status, std::string body) {
  Reply(JsonResponse(status, std::move(body)));
}

void RequestContext::Fail(Problem problem) { Reply(MakeAnswer(std::move(problem))); }

http::Response RequestContext::Compose(Problem problem) {
  http::Response response = MakeAnswer(std::move(problem));
  Complete(&response);
  return response;
}

http::Response RequestContext::MakeAnswer(Problem problem) {
  AdaptToSurface(request().path, &problem);
  if (route_ != nullptr) UseCodesOf(*route_, &problem);
  if (problem.status == 401 || problem.status == 403) {
    WriteRefusal({.request_id = request_id_,
                  .route = metrics_->name,
                  .status = problem.status,
                  .code = problem.code,
                  .client_address = client_address(),
                  .user_id = identity_ ? identity_->principal.user_id() : ""});
  }
  return ErrorResponse(problem, request(), request_id_);
}

void RequestContext::Fail(const absl::Status& status, const std::string& service) {
  Problem problem = ProblemOf(status, service);
  if (problem.status >= 500) {
    const log::Scope scope({request_id_, ""});
    log::Warning("a call failed", {{"target", service},
                                   {"code", static_cast<int>(status.code())},
                                   {"reason", Reason(status)},
                                   {"cause", std::string(status.message())}});
  }
  Fail(std::move(problem));
}

void RequestContext::Account(int status, std::uint64_t bytes, const http::ForwardReport* report) {
  const auto took = std::chrono::duration<double>(steady_clock::now() - begin_);
  metrics_->seconds->Observe(took.count());
  const int kind = status == kClientLeft ? 0 : std::clamp(status / 100, 1, 5);
  metrics_->by_class[kind]->Increment();
  if (!snapshot_->config.access_log) return;
  AccessEntry entry{.request = request(),
                    .request_id = request_id_,
                    .trace_parent = trace_parent_,
                    .route = metrics_->name,
                    .status = status,
                    .bytes = bytes,
                    .begin = begin_,
                    .client_address = client_address(),
                    .limit_name = limit_name_,
                    .limit = limit_,
                    .report = report};
  if (identity_) {
    entry.user_id = identity_->principal.user_id();
    entry.tenant_id = identity_->principal.tenant_id();
  }
  entry.upstream = upstream_;
  WriteAccessLog(entry);
}

}  // namespace gatehouse::gateway
