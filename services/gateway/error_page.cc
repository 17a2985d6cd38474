#include "services/gateway/error_page.h"

#include <array>

#include "services/gateway/cents.h"
#include "services/gateway/json_writer.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

struct Default {
  int status;
  const char* code;
  const char* message;
};

constexpr Default kDefaults[] = {
    {400, "INVALID_REQUEST", "the request is not valid"},
    {401, "UNAUTHENTICATED", "authentication credentials are missing or not valid"},
    {402, "RESERVE_INSUFFICIENT", "Insufficient reserve balance"},
    {403, "FORBIDDEN", "you do not have permission to do this"},
    {404, "NOT_FOUND", "not found"},
    {405, "METHOD_NOT_ALLOWED", "the method is not allowed here"},
    {408, "REQUEST_TIMEOUT", "the request took too long to arrive"},
    {409, "CONFLICT", "the request conflicts with the present state"},
    {413, "BODY_TOO_LARGE", "the body is too large"},
    {414, "URI_TOO_LONG", "the request target is too long"},
    {415, "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json"},
    {417, "EXPECTATION_FAILED", "the expectation cannot be met"},
    {422, "INVALID_REQUEST", "the request is not valid"},
    {426, "UPGRADE_REQUIRED", "this route speaks WebSocket (version 13) only"},
    {429, "RATE_LIMITED", "too many requests"},
    {431, "HEADERS_TOO_LARGE", "the header fields are too large"},
    {500, "INTERNAL", "internal error"},
    {501, "NOT_IMPLEMENTED", "not implemented"},
    {502, "BAD_GATEWAY", "the upstream cannot be reached"},
    {503, "SERVICE_UNAVAILABLE", "the service is not available"},
    {504, "GATEWAY_TIMEOUT", "the service did not answer in time"},
    {505, "HTTP_VERSION_NOT_SUPPORTED", "only HTTP/1.0 and HTTP/1.1 are supported"},
};

// Texts that the documents prescribe for what services say.
const char* DocumentedText(const std::string& reason) {
  if (reason == "TENANT_NOT_FOUND") return "Tenant not found";
  if (reason == "JOB_NOT_FOUND") return "Job not found";
  if (reason == "USER_NOT_FOUND") return "User not found";
  if (reason == "TOKEN_NOT_FOUND") return "Token not found";
  return nullptr;
}

// What needs the payment provider; its own words stay inside.
const char* PaymentText(const std::string& reason) {
  if (reason == "STRIPE_NOT_CONFIGURED") return "payments are not configured here";
  if (reason == "STRIPE_UNAVAILABLE") return "the payment provider did not answer; try again";
  if (reason == "STRIPE_REFUSED") return "the payment provider refused the request";
  return nullptr;
}

bool IsShortOfFunds(const std::string& reason) {
  return reason == "RESERVE_INSUFFICIENT" || reason == "ESTIMATE_ABOVE_CEILING";
}

// A queue or pool of ours that is full, as opposed to a client's quota.
bool IsOverload(const std::string& reason) {
  return reason.empty() || reason == "OVERLOADED" || reason == "DATABASE_BUSY";
}

// What a service refuses to know, as opposed to this gateway's own passport.
bool IsClientsCredential(const std::string& reason) {
  return reason == "CREDENTIALS_INVALID" || reason == "REFRESH_TOKEN_INVALID" ||
         reason == "REFRESH_TOKEN_REUSED";
}

int HttpStatus(const absl::Status& status, const std::string& reason, bool inner) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      if (reason == "CONFIG_INVALID") return 422;
      return reason == "UNSUPPORTED_MEDIA_TYPE" ? 415 : 400;
    case absl::StatusCode::kUnauthenticated:
      // From within, anything else means that the gateway itself was refused.
      return inner && !IsClientsCredential(reason) ? 500 : 401;
    case absl::StatusCode::kPermissionDenied:
      if (reason == "REGISTRATION_CLOSED") return 404;
      return inner && (reason.empty() || reason == "CALLER_NOT_ALLOWED") ? 500 : 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
      if (inner && reason == "STRIPE_REFUSED") return 502;
      return IsShortOfFunds(reason) ? 402 : 409;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      if (reason == "TOKENS_TOO_MANY") return 409;  // Waiting would not help.
      return IsOverload(reason) ? 503 : 429;
    case absl::StatusCode::kUnavailable:
      return inner && reason == "STRIPE_UNAVAILABLE" ? 502 : 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    case absl::StatusCode::kUnimplemented:
      return 501;
    default:
      return 500;
  }
}

// A service that could not reach the one it needs says so in the reason:
// "BILLING_UNAVAILABLE" from jobs.
std::string CauseOf(const std::string& reason, const std::string& service) {
  constexpr std::string_view kEnding = "_UNAVAILABLE";
  if (!std::string_view(reason).ends_with(kEnding)) return service;
  std::string named = AsciiLower(reason.substr(0, reason.size() - kEnding.size()));
  for (const char* known : {"auth", "invitations", "billing", "jobs"}) {
    if (named == known) return named;
  }
  return service;
}

void AddAmounts(const absl::Status& status, Problem* problem) {
  const auto balance = ParseInteger(ReasonMetadata(status, "balance_nanos"));
  const auto required = ParseInteger(ReasonMetadata(status, "required_nanos"));
  if (balance) problem->numbers.emplace_back("balance_cents", FloorCents(*balance));
  if (required) problem->numbers.emplace_back("required_cents", CeilCents(*required));
}

// Whether Accept names application/problem+json with a weight above zero.
bool WantsProblemJson(const http::Request& request) {
  const auto accept = request.Find("Accept");
  if (!accept) return false;
  for (const std::string_view range : SplitList(*accept)) {
    const std::size_t semicolon = range.find(';');
    if (!SameAsciiText(Trim(range.substr(0, semicolon)), "application/problem+json")) continue;
    const std::size_t weight = range.find("q=0");
    return weight == std::string_view::npos ||
           range.find_first_of("123456789", weight + 3) != std::string_view::npos;
  }
  return false;
}

void WriteSurfaceSpellings(const Problem& problem, std::string_view path, JsonWriter& json) {
  const bool platform = IsUnder(path, "/platform") || IsUnder(path, "/api/caches");
  if (platform) {
    json.Field("error_code", problem.code).Field("error_message", problem.message);
  }
  if (platform || IsUnder(path, "/api/v1")) json.Field("detail", problem.message);
}

void WriteCommonMembers(const Problem& problem, const std::string& request_id, JsonWriter& json) {
  json.Field("request_id", request_id);
  if (!problem.service.empty()) json.Field("service", problem.service);
  for (const auto& [name, number] : problem.numbers) json.Field(name, number);
  if (problem.details.empty()) return;
  json.Key("details").BeginArray();
  for (const auto& [field, message] : problem.details) {
    json.BeginObject().Field("field", field).Field("message", message).EndObject();
  }
  json.EndArray();
}

}  // namespace

bool IsUnder(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

void AdaptToSurface(std::string_view path, Problem* problem) {
  const bool is_users = IsUnder(path, "/api/v1/users");
  const bool is_taken = problem->code == "USERNAME_TAKEN" || problem->code == "EMAIL_TAKEN";
  // A host that is not served is no fault of the surface's arguments.
  const bool is_invalid =
      problem->status == 400 && problem->code != "HOST_NOT_ALLOWED" &&
      (is_users || IsUnder(path, "/api/v1/auth") || IsUnder(path, "/api/v1/orchestrators") ||
       IsUnder(path, "/api/v1/statistics"));
  if (is_invalid || (is_users && is_taken)) problem->status = 422;
  if (is_users && problem->code == "FORBIDDEN") problem->message = "Admin privileges required";
  if (IsUnder(path, "/api/caches") && problem->code == "FORBIDDEN") {
    problem->message = "You do not have permission to clear caches";
  }
}

Problem ProblemOf(int status) {
  for (const Default& known : kDefaults) {
    if (known.status == status) return {status, known.code, known.message, "", {}};
  }
  return {status, "ERROR", http::ReasonPhrase(status), "", {}};
}

Problem ProblemOf(const absl::Status& status, const std::string& service) {
  const std::string reason = Reason(status);
  Problem problem = ProblemOf(HttpStatus(status, reason, !service.empty()));
  const bool ours = problem.status >= 500;
  if (ours) {
    problem.service = CauseOf(reason, service);
    if (service.empty()) {
      // The edge's own words.
      if (!reason.empty()) problem.message = std::string(status.message());
    } else {
      if (problem.status == 503) problem.message = problem.service + " is not available";
      if (problem.status == 504) problem.message = problem.service + " did not answer in time";
      if (const char* text = PaymentText(reason)) problem.message = text;
    }
    if (problem.status == 503) problem.headers.push_back({"Retry-After", "1"});
  }
  if (!reason.empty() && (!ours || problem.status == 502 || problem.status == 503)) {
    problem.code = reason;
  }
  if (ours) return problem;
  if (IsShortOfFunds(reason)) {
    AddAmounts(status, &problem);
  } else if (!reason.empty()) {
    const char* documented = service.empty() ? nullptr : DocumentedText(reason);
    problem.message = documented != nullptr ? documented : std::string(status.message());
  }
  if (problem.status == 429) {
    const long seconds = (RetryDelayMillis(status) + 999) / 1000;
    problem.headers.push_back({"Retry-After", std::to_string(seconds > 0 ? seconds : 1)});
  }
  for (const auto& [field, description] : FieldViolations(status)) {
    problem.details.emplace_back(field, description);
  }
  return problem;
}

http::Response ErrorResponse(const Problem& problem, const http::Request& request,
                             const std::string& request_id) {
  http::Response response;
  response.status = problem.status;
  response.headers = problem.headers;
  JsonWriter json;
  json.BeginObject();
  if (WantsProblemJson(request)) {
    response.headers.push_back({"Content-Type", "application/problem+json"});
    json.Field("type", "about:blank").Field("title", http::ReasonPhrase(problem.status));
    json.Field("status", problem.status).Field("detail", problem.message);
    json.Field("code", problem.code);
  } else {
    response.headers.push_back({"Content-Type", "application/json"});
    json.Field("error", problem.code).Field("message", problem.message);
    json.Field("status_code", problem.status);
    WriteSurfaceSpellings(problem, request.path, json);
  }
  WriteCommonMembers(problem, request_id, json);
  json.EndObject();
  response.body = json.Take();
  if (problem.status == 401) {
    response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"gatehouse\""});
    response.headers.push_back({"WWW-Authenticate", "Token realm=\"gatehouse\""});
  }
  return response;
}

}  // namespace gatehouse::gateway
