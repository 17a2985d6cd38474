#include "services/gateway/cors.h"

#include <algorithm>

#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

// What a page may read beside the fields that every page may.
constexpr char kExposed[] =
    "X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, "
    "RateLimit-Policy, Retry-After, X-Total-Count, X-Next-Cursor, Location, "
    "Idempotency-Key";

bool AllowsAll(const CorsConfig& cors) {
  return cors.origins.size() == 1 && cors.origins[0] == "*";
}

// Schemes and hosts compare regardless of case; browsers send them in lower case.
bool IsListed(const CorsConfig& cors, std::string_view origin) {
  return std::any_of(cors.origins.begin(), cors.origins.end(),
                     [&](const std::string& known) { return SameAsciiText(known, origin); });
}

// The request's origin, if there is exactly one and it may know.
std::optional<std::string_view> OriginThatMayKnow(const CorsConfig& cors,
                                                  const http::Request& request) {
  if (cors.origins.empty() || request.Count("Origin") != 1) return std::nullopt;
  const std::optional<std::string_view> origin = request.Find("Origin");
  if (!AllowsAll(cors) && !IsListed(cors, *origin)) return std::nullopt;
  return origin;
}

// Host and port, without a port that the scheme implies.
std::string_view WithoutDefaultPort(std::string_view authority, std::string_view port) {
  if (authority.ends_with(port)) authority.remove_suffix(port.size());
  return authority;
}

// TLS ends in front, so that the scheme on this side tells nothing.
bool IsOwnOrigin(const http::Request& request, std::string_view origin) {
  if (request.Count("Host") != 1) return false;
  std::string_view port = ":80";
  if (origin.starts_with("https://")) {
    port = ":443";
    origin.remove_prefix(8);
  } else if (origin.starts_with("http://")) {
    origin.remove_prefix(7);
  } else {
    return false;
  }
  return !origin.empty() && SameAsciiText(WithoutDefaultPort(origin, port),
                                          WithoutDefaultPort(*request.Find("Host"), port));
}

std::string Join(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) {
    if (!list.empty()) list += ", ";
    list += word;
  }
  return list;
}

// Calls `add(name, value)` for each field of an answer.
template <typename Add>
void VisitFields(const CorsConfig& cors, const http::Request& request, Add add) {
  if (cors.origins.empty()) return;
  const bool is_for_all = AllowsAll(cors) && !cors.credentials;
  if (const auto origin = OriginThatMayKnow(cors, request)) {
    add("Access-Control-Allow-Origin", is_for_all ? std::string_view("*") : *origin);
    if (cors.credentials) add("Access-Control-Allow-Credentials", "true");
    add("Access-Control-Expose-Headers", kExposed);
  }
  if (!is_for_all) add("Vary", "Origin");
}

}  // namespace

std::optional<http::Response> AnswerPreflight(const CorsConfig& cors, const http::Request& request,
                                              const std::vector<std::string>& methods) {
  if (request.method != "OPTIONS" || methods.empty()) return std::nullopt;
  if (!request.Find("Access-Control-Request-Method")) return std::nullopt;
  const auto origin = OriginThatMayKnow(cors, request);
  if (!origin) return std::nullopt;
  std::vector<std::string> allowed;
  for (const std::string& method : methods) {
    if (std::find(cors.methods.begin(), cors.methods.end(), method) != cors.methods.end()) {
      allowed.push_back(method);
    }
  }
  http::Response response;
  response.status = 204;
  const auto add = [&](const char* name, std::string value) {
    response.headers.push_back({name, std::move(value)});
  };
  add("Access-Control-Allow-Origin",
      AllowsAll(cors) && !cors.credentials ? "*" : std::string(*origin));
  if (cors.credentials) add("Access-Control-Allow-Credentials", "true");
  add("Access-Control-Allow-Methods", Join(allowed));
  add("Access-Control-Allow-Headers", Join(cors.headers));
  add("Access-Control-Max-Age", std::to_string(cors.max_age.count()));
  add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
  return response;
}

void AppendCorsLines(const CorsConfig& cors, const http::Request& request, std::string* lines) {
  VisitFields(cors, request, [&](std::string_view name, std::string_view value) {
    lines->append(name).append(": ").append(value).append("\r\n");
  });
}

void AddCorsHeaders(const CorsConfig& cors, const http::Request& request,
                    http::Response* response) {
  // A preflight's answer has them already.
  const auto is_ours = [](const auto& header) { return IsCorsField(header.name); };
  if (std::any_of(response->headers.begin(), response->headers.end(), is_ours)) return;
  VisitFields(cors, request, [&](std::string_view name, std::string_view value) {
    response->headers.push_back({std::string(name), std::string(value)});
  });
}

bool MayConnect(const CorsConfig& cors, const http::Request& request, bool by_cookie) {
  const std::size_t count = request.Count("Origin");
  if (count == 0) return true;
  if (count > 1) return false;
  const std::string_view origin = *request.Find("Origin");
  if (IsOwnOrigin(request, origin)) return true;
  if (by_cookie) return cors.credentials && IsListed(cors, origin);
  return AllowsAll(cors) || IsListed(cors, origin);
}

bool IsCorsField(std::string_view name) {
  constexpr std::string_view kBegin = "Access-Control-";
  return name.size() > kBegin.size() && http::SameName(name.substr(0, kBegin.size()), kBegin);
}

}  // namespace gatehouse::gateway
