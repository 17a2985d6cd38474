#include "services/gateway/proxy_pass.h"

#include <algorithm>
#include <optional>

#include "libs/http/chars.h"
#include "libs/http/forward.h"
#include "libs/log/log.h"
#include "services/gateway/common_headers.h"
#include "services/gateway/cors.h"
#include "services/gateway/credential_watch.h"
#include "services/gateway/json_check.h"
#include "services/gateway/limit_headers.h"
#include "services/gateway/line_budget.h"
#include "services/gateway/live_sockets.h"
#include "services/gateway/socket_request.h"
#include "services/gateway/text.h"
#include "services/gateway/upstream_metrics.h"

namespace gatehouse::gateway {
namespace {

using http::ForwardError;

constexpr char kUnavailable[] = "Service temporarily unavailable";
constexpr int kFailureLinesMax = 10;  // A second.

bool IsIdempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE";
}

bool HasCheckedBody(const Route& route, const http::Request& request) {
  return route.checks_json &&
         (request.method == "POST" || request.method == "PUT" || request.method == "PATCH");
}

// Whether a body of this type is JSON in UTF-8, of whatever kind and with whatever
// parameters: what they mean is the upstream's business.
bool IsJsonKind(std::string_view type) {
  constexpr std::string_view kLeast = "application/+json";
  std::size_t end = std::min(type.find(';'), type.size());
  const std::string name = AsciiLower(Trim(type.substr(0, end)));
  const bool is_kind =
      name.size() > kLeast.size() && name.starts_with("application/") && name.ends_with("+json");
  if (!is_kind && name != "application/json") return false;
  // A ";" within quotes may make it see more parameters than there are, never less.
  while (end < type.size()) {
    type.remove_prefix(end + 1);
    end = std::min(type.find(';'), type.size());
    std::string parameter = AsciiLower(Trim(type.substr(0, end)));
    std::erase(parameter, '"');
    if (parameter.starts_with("charset") && parameter != "charset=utf-8") return false;
  }
  return true;
}

// Whether the body says that it is JSON, as it is: what is packed cannot be checked.
bool SaysJson(const http::Request& request) {
  const auto encoding = request.Find("Content-Encoding");
  if (encoding && !SameAsciiText(*encoding, "identity")) return false;
  return request.Count("Content-Type") == 1 && IsJsonKind(*request.Find("Content-Type"));
}

bool StartsWith(std::string_view text, std::string_view begin) {
  return text.size() >= begin.size() && http::SameName(text.substr(0, begin.size()), begin);
}

bool IsLimitField(std::string_view name) {
  return StartsWith(name, "X-RateLimit-") || http::SameName(name, "RateLimit") ||
         http::SameName(name, "RateLimit-Policy");
}

// What may let somebody on the way keep the answer, or says more than Cache-Control does.
bool IsCacheRule(std::string_view name) {
  constexpr std::string_view kEnd = "Cache-Control";  // CDN-Cache-Control and its like, too.
  return (name.size() >= kEnd.size() &&
          http::SameName(name.substr(name.size() - kEnd.size()), kEnd)) ||
         http::SameName(name, "Surrogate-Control") || http::SameName(name, "X-Accel-Expires");
}

void AppendLine(std::string_view name, std::string_view value, std::string* lines) {
  lines->append(name).append(": ").append(value).append("\r\n");
}

// Whether the upstream might find another path in it than the router did: segments of
// dots, and slashes that are escaped. Path parameters (";…") do not hide them.
bool IsAmbiguous(std::string_view path) {
  if (path.find_first_of("%.\\") == std::string_view::npos) return false;
  std::string segment;
  bool in_parameters = false;
  const auto is_dots = [&] { return segment == "." || segment == ".."; };
  for (std::size_t at = 0; at < path.size(); ++at) {
    char c = path[at];
    if (c == '/') {
      if (is_dots()) return true;
      segment.clear();
      in_parameters = false;
      continue;
    }
    if (c == '%' && path.size() - at > 2) {
      c = static_cast<char>(http::HexDigit(path[at + 1]) * 16 + http::HexDigit(path[at + 2]));
      at += 2;
    }
    if (c == '/' || c == '\\' || c == '\0') return true;
    in_parameters |= c == ';';
    if (!in_parameters) segment += c;
  }
  return is_dots();
}

// The refusal of a body that JsonCheck has found wrong.
Problem NotJson(const char* reason) {
  Problem problem = ProblemOf(400);
  problem.code = reason;
  problem.message = std::string_view(reason) == "JSON_TOO_DEEP" ? "the body is nested too deeply"
                                                                : "the body is not valid JSON";
  return problem;
}

Problem BadGateway(const std::string& service) {
  Problem problem = ProblemOf(502);
  problem.message = kUnavailable;
  problem.service = service;
  return problem;
}

// A place among the sockets of whoever asks; null: there is none.
std::shared_ptr<void> TakePlace(const RequestContext& context) {
  const std::string who =
      context.identity() ? context.principal().user_id() : context.client_address();
  return context.parts().sockets.TakePlace(who, context.snapshot().config.sockets_per_user_max);
}

class ProxiedRequest final : public http::ForwardOwner {
 public:
  ProxiedRequest(Context context, std::shared_ptr<http::UpstreamGroup> group)
      : context_(std::move(context)),
        group_(std::move(group)),
        checks_body_(HasCheckedBody(*context_->route(), context_->request())) {}

  // It is to last: the place of it among its user's, and what ends it with its credential.
  void Hold(std::shared_ptr<void> place) {
    place_ = std::move(place);
    if (context_->identity()) watch_.emplace(*context_);
  }

  std::optional<http::Response> Replace(const http::ForwardedHead& head) override;
  void WriteHead(const http::ForwardedHead& head, std::string* lines) override;
  http::Response MakeFailure(ForwardError error, int status,
                             std::chrono::milliseconds retry_after) override;
  int CheckBody(std::string_view bytes, bool is_last) override;
  int CheckOpen(SteadyTime now) override { return watch_ ? watch_->Check(now) : 0; }
  void OnTunnel() override;
  void Done(const http::ForwardReport& report) override;

 private:
  const std::string& name() const { return group_->options().name; }
  std::string UserId() const { return context_->identity() ? context_->principal().user_id() : ""; }
  http::Response Compose(Problem problem);
  void LogEnd(const http::ForwardReport& report) const;
  void LogFailure(const http::ForwardReport& report) const;

  const Context context_;
  const std::shared_ptr<http::UpstreamGroup> group_;
  const bool checks_body_;
  std::optional<JsonCheck> json_;       // From the body's first part on.
  const char* body_refusal_ = nullptr;  // A reason beyond the status.
  SteadyTime opened_at_;
  std::size_t own_bytes_ = 0;  // Of an answer that is not the upstream's.
  std::shared_ptr<void> place_;
  std::optional<CredentialWatch> watch_;
};

// What of our own lines an upstream's head makes superfluous.
struct Overrides {
  const http::ForwardedHead& head;
  bool has_limits = false;
  bool has_policy = false;
  bool is_private = false;  // With cookies of ours, which nobody may store.

  bool Has(std::string_view name) const {
    if (IsLimitField(name)) return has_limits;
    if (name == "Cache-Control") return !is_private;  // Else the upstream's business.
    if (name == "X-Request-ID") return false;
    if (name == "Content-Security-Policy") return has_policy;
    return head.Has(name);
  }
};

// Events last as sockets do: they count among them, and end like them.
std::optional<http::Response> ProxiedRequest::Replace(const http::ForwardedHead& head) {
  if (!head.is_event_stream || place_) return std::nullopt;
  std::shared_ptr<void> place = TakePlace(*context_);
  if (!place) return Compose(SocketsTooMany());
  Hold(std::move(place));
  return std::nullopt;
}

void ProxiedRequest::WriteHead(const http::ForwardedHead& head, std::string* lines) {
  const CorsConfig& cors = context_->snapshot().config.cors;
  const bool sets_cors = !cors.origins.empty();
  Overrides overrides{head};
  overrides.is_private = context_->renews_cookies();
  bool is_page = false;
  for (const auto& [name, value] : head.fields) {
    if (http::SameName(name, "X-Request-ID")) continue;
    if (sets_cors && IsCorsField(name)) continue;
    if (overrides.is_private && IsCacheRule(name)) continue;
    if (http::SameName(name, "Set-Cookie") && IsOurCookie(value)) continue;
    if (IsLimitField(name)) overrides.has_limits = true;
    if (http::SameName(name, "Content-Security-Policy")) overrides.has_policy = true;
    if (http::SameName(name, "Content-Type")) is_page = StartsWith(value, "text/html");
    AppendLine(name, value, lines);
  }
  if (is_page && !overrides.has_policy) {
    AppendLine("Content-Security-Policy", PolicyText(ContentPolicy::kSelf), lines);
    overrides.has_policy = true;
  }
  // A client that offers a credential as a subprotocol waits for one to be chosen.
  if (head.status == 101 && !head.Has("Sec-WebSocket-Protocol")) {
    const std::string_view chosen = CredentialSubprotocol(context_->request());
    if (!chosen.empty()) AppendLine("Sec-WebSocket-Protocol", chosen, lines);
  }
  context_->AppendCommonLines([&overrides](std::string_view name) { return overrides.Has(name); },
                              lines);
}

http::Response ProxiedRequest::MakeFailure(ForwardError error, int status,
                                           std::chrono::milliseconds retry_after) {
  Problem problem = ProblemOf(status);
  if (error == ForwardError::kBodyRefused) {
    if (body_refusal_ != nullptr) problem = NotJson(body_refusal_);
  } else {
    problem.service = name();
    if (error == ForwardError::kBreakerOpen) problem.code = "UPSTREAM_CIRCUIT_OPEN";
    if (status != 504) problem.message = kUnavailable;
    if (status == 503) {
      problem.headers.push_back({"Retry-After", std::to_string(WholeSeconds(retry_after))});
    }
  }
  return Compose(std::move(problem));
}

http::Response ProxiedRequest::Compose(Problem problem) {
  http::Response response = context_->Compose(std::move(problem));
  own_bytes_ = response.body.size();
  return response;
}

int ProxiedRequest::CheckBody(std::string_view bytes, bool is_last) {
  if (!checks_body_) return 0;
  if (!json_) {
    if (bytes.empty()) return 0;
    if (!SaysJson(context_->request())) return 415;
    json_.emplace();
  }
  body_refusal_ = json_->Feed(bytes, is_last);
  return body_refusal_ == nullptr ? 0 : 400;
}

void ProxiedRequest::OnTunnel() {
  const log::Scope scope({context_->request_id(), ""});
  opened_at_ = std::chrono::steady_clock::now();
  log::Info("socket opened", {{"kind", "tunnel"},
                              {"upstream", name()},
                              {"user_id", UserId()},
                              {"client", context_->client_address()}});
}

void ProxiedRequest::Done(const http::ForwardReport& report) {
  UpstreamMetricsOf(name()).Count(report);
  const bool failed = report.is_truncated || (report.error != ForwardError::kNone &&
                                              report.error != ForwardError::kBodyRefused);
  if (failed) LogFailure(report);
  if (report.was_tunnel) LogEnd(report);
  context_->FinishStream(report.status, report.response_bytes + own_bytes_, &report);
}

void ProxiedRequest::LogEnd(const http::ForwardReport& report) const {
  const auto open_for = std::chrono::steady_clock::now() - opened_at_;
  const log::Scope scope({context_->request_id(), ""});
  log::Info(
      "socket closed",
      {{"kind", "tunnel"},
       {"upstream", name()},
       {"user_id", UserId()},
       {"duration_ms", std::chrono::duration_cast<std::chrono::milliseconds>(open_for).count()},
       {"bytes_in", report.request_bytes},
       {"bytes_out", report.response_bytes}});
}

void ProxiedRequest::LogFailure(const http::ForwardReport& report) const {
  static LineBudget budget(kFailureLinesMax);
  std::int64_t suppressed = 0;
  const bool may_write = budget.Take(std::chrono::steady_clock::now(), &suppressed);
  if (suppressed > 0) {
    log::Warning("further failures of upstreams were not logged", {{"count", suppressed}});
  }
  if (!may_write) return;
  const log::Scope scope({context_->request_id(), ""});
  log::Warning("an upstream failed",
               {{"upstream", name()},
                {"endpoint", report.endpoint},
                {"error", report.is_truncated ? "truncated" : NameOf(report.error)},
                {"attempts", report.attempts}});
}

http::ForwardRequest MakeRequest(RequestContext& context,
                                 const std::shared_ptr<http::UpstreamGroup>& group) {
  const http::Request& request = context.request();
  http::ForwardRequest forward;
  forward.group = group;
  forward.head =
      WriteUpstreamHead({.request = request,
                         .options = context.parts().options,
                         .authority = group->options().authority,
                         .principal = context.identity() ? &context.identity()->principal : nullptr,
                         .request_id = context.request_id(),
                         .trace_parent = context.trace_parent()});
  forward.is_idempotent = IsIdempotent(request.method);
  return forward;
}

}  // namespace

void ProxyPass(const Context& context, const std::shared_ptr<http::UpstreamGroup>& group) {
  const Route& route = *context->route();
  if (!group) return context->Fail(BadGateway(route.upstream));
  const http::Request& request = context->request();
  // Where the length is not known, CheckBody sees whether there is a body at all.
  if (HasCheckedBody(route, request) && request.body_length.value_or(0) > 0 && !SaysJson(request)) {
    return context->Fail(ProblemOf(415));
  }
  if (IsAmbiguous(request.path)) {
    return context->Fail(Error(absl::StatusCode::kInvalidArgument, "PATH_AMBIGUOUS",
                               "the path must not have segments of dots or escaped slashes"));
  }
  context->SetUpstream(group->options().name);
  const auto owner = std::make_shared<ProxiedRequest>(context, group);
  http::ForwardRequest forward = MakeRequest(*context, group);
  if (LaneOf(route) == Lane::kSocket) {
    if (const auto refused = SocketRefused(*context)) return context->Fail(*refused);
    std::shared_ptr<void> place = TakePlace(*context);
    if (!place) return context->Fail(SocketsTooMany());
    owner->Hold(std::move(place));
    forward.upgrades = true;
  }
  http::Forward(context->exchange(), std::move(forward), owner);
}

}  // namespace gatehouse::gateway
