#include <iterator>

#include "services/gateway/hot_config.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

using config::Kind;
using config::Setting;

std::string CheckUrls(const std::string& urls) {
  for (const std::string_view url : SplitList(urls)) {
    std::string host;
    std::string port;
    const std::string fault = http::ParseUpstreamUrl(std::string(url), &host, &port);
    if (!fault.empty()) return "must be http://HOST:PORT, several by commas: " + fault;
  }
  return "";
}

// "https://app.example.com": as a browser sends it, without a path.
bool IsOrigin(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  if (scheme == 0 || scheme == std::string_view::npos) return false;
  const std::string_view host = origin.substr(scheme + 3);
  return !host.empty() && host.find_first_of("/?#@*\"\\ ") == std::string_view::npos;
}

std::string CheckOrigins(const std::string& list) {
  const std::vector<std::string_view> origins = SplitList(list);
  for (const std::string_view origin : origins) {
    if (origin == "*" && origins.size() == 1) continue;
    if (origin == "*") return "must be \"*\" alone, or origins";
    if (!IsOrigin(origin)) {
      return "must be origins such as https://app.example.com, not \"" + std::string(origin) + '"';
    }
  }
  return "";
}

std::string CheckTokens(const std::string& list) {
  for (const char c : list) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == ',' || c == ' ';
    if (!fits) return "must be names by commas";
  }
  return "";
}

Setting Flag(const char* name, const char* help, const char* fallback) {
  return {.name = name, .help = help, .fallback = fallback, .kind = Kind::kBool};
}

Setting Number(const char* name, const char* help, const char* fallback, std::int64_t min,
               std::int64_t max) {
  return {
      .name = name, .help = help, .fallback = fallback, .kind = Kind::kInt, .min = min, .max = max};
}

// `min` and `max` in milliseconds.
Setting Seconds(const char* name, const char* help, const char* fallback, std::int64_t min,
                std::int64_t max) {
  Setting setting = Number(name, help, fallback, min, max);
  setting.kind = Kind::kSeconds;
  return setting;
}

Setting Text(const char* name, const char* help, const char* fallback,
             std::string (*check)(const std::string&)) {
  return {.name = name, .help = help, .fallback = fallback, .check = check};
}

Setting WithAlias(Setting setting, const char* alias) {
  setting.alias = alias;
  return setting;
}

std::vector<Setting> UpstreamSettings() {
  return {
      Text("CORE_MANAGER_URL", "Where core-manager serves: http://HOST:PORT, several by commas.",
           "", CheckUrls),
      WithAlias(Seconds("UPSTREAM_TIMEOUT",
                        "Seconds until an upstream's head, and between two bytes of it.", "30", 10,
                        3'600'000),
                "REQUEST_TIMEOUT"),
      Seconds("CONNECTION_TIMEOUT", "Seconds for one connect to an upstream.", "10", 10, 60'000),
      Flag("CIRCUIT_BREAKER_ENABLED", "Asks no upstream that fails all the time.", "true"),
      Number("CIRCUIT_BREAKER_THRESHOLD", "Failures in a row that open the breaker.", "5", 1,
             1'000'000),
      Seconds("CIRCUIT_BREAKER_TIMEOUT", "Seconds until an open breaker lets one request try.",
              "30", 10, 3'600'000),
      Flag("RETRY_ENABLED", "Tries another connection where no harm can come of it.", "true"),
      Number("RETRY_MAX_ATTEMPTS", "Connections tried for one request, the first included.", "3", 1,
             10),
      Seconds("RETRY_BACKOFF", "Seconds before an address is tried again.", "0.05", 0, 60'000)};
}

std::vector<Setting> LimitSettings() {
  return {Seconds("GATEWAY_TIMEOUT", "Seconds that any of the gateway's own routes takes at most.",
                  "30", 10, 3'600'000),
          Flag("RATE_LIMIT_ENABLED", "Limits per user, and per address of who is unknown.", "true"),
          Number("RATE_LIMIT_REQUESTS", "Requests per window and address of who is unknown.", "600",
                 1, 1'000'000),
          Number("RATE_LIMIT_WINDOW", "That window in seconds.", "60", 1, 86'400),
          Number("CACHE_TTL", "Seconds that a verified credential is remembered.", "60", 0, 3600),
          Number("CACHE_MAX_SIZE", "Credentials remembered at most.", "65536", 1, 10'000'000),
          Number("BODY_BYTES_MAX", "Bytes of a body to the gateway's own routes.", "1048576", 1024,
                 1 << 30),
          Number("PROXY_BODY_BYTES_MAX", "Bytes of a body to core-manager.", "10485760", 1024,
                 std::int64_t{1} << 40),
          Number("SOCKETS_PER_USER_MAX", "WebSockets and event streams of one user.", "10", 1,
                 1'000'000),
          WithAlias(Flag("ACCESS_LOG", "Writes one log line per request.", "true"),
                    "ENABLE_REQUEST_LOGGING")};
}

std::vector<Setting> CorsSettings() {
  return {
      WithAlias(Text("CORS_ALLOWED_ORIGINS", "Origins whose pages may call, by commas; * for any.",
                     "", CheckOrigins),
                "ALLOWED_ORIGINS"),
      Flag("CORS_ALLOW_CREDENTIALS", "Those pages may send cookies; not together with *.", "false"),
      Text("CORS_ALLOWED_METHODS", "Methods that those pages may use.",
           "GET,HEAD,POST,PUT,PATCH,DELETE", CheckTokens),
      Text("CORS_ALLOWED_HEADERS", "Headers that those pages may send.",
           "Authorization,Content-Type,X-CSRF-Token,X-Request-ID,Idempotency-Key,Last-Event-ID",
           CheckTokens),
      Number("CORS_MAX_AGE", "Seconds that a browser may remember it.", "600", 0, 86'400)};
}

}  // namespace

std::vector<Setting> HotSettings() {
  std::vector<Setting> settings = UpstreamSettings();
  std::ranges::move(LimitSettings(), std::back_inserter(settings));
  std::ranges::move(CorsSettings(), std::back_inserter(settings));
  for (Setting& setting : settings) setting.reloadable = true;
  return settings;
}

}  // namespace gatehouse::gateway
