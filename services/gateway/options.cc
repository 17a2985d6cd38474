#include "services/gateway/options.h"

#include <algorithm>
#include <iterator>

#include "libs/redis/url.h"
#include "libs/service/process.h"
#include "services/gateway/hot_config.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

constexpr const char* kProcesses[] = {"auth", "invitations", "billing", "jobs",
                                      "orchestrator_monitor"};

std::string CheckProxies(const std::string& list) {
  const absl::Status status = TrustedProxies::Parse(list).status();
  return status.ok() ? "" : std::string(status.message());
}

std::string CheckCookieDomain(const std::string& domain) {
  for (const char c : domain) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-';
    if (!fits) return "must be a domain name";
  }
  return "";
}

// "Lax", "Strict" or "None"; "" for any other word.
std::string SameSiteAttribute(std::string_view word) {
  const std::string lower = AsciiLower(word);
  if (lower == "lax") return "Lax";
  if (lower == "strict") return "Strict";
  if (lower == "none") return "None";
  return "";
}

std::string CheckSameSite(const std::string& word) {
  return SameSiteAttribute(word).empty() ? "must be lax, strict or none" : "";
}

std::string CheckHttpAddress(const std::string& address) {
  return address.find(':') == std::string::npos ? "must be HOST:PORT" : "";
}

std::string CheckRedisUrl(const std::string& url) {
  const absl::Status status = redis::ParseUrl(url).status();
  return status.ok() ? "" : std::string(status.message());
}

std::string CheckNamespace(const std::string& name) {
  constexpr std::size_t kBytesMax = 64;
  bool fits = name.size() <= kBytesMax;
  for (const char c : name) {
    fits = fits && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.');
  }
  return fits ? "" : "must be 1 to 64 letters, digits, \"-\", \"_\" and \".\"";
}

std::vector<config::Setting> CookieSettings() {
  using config::Kind;
  return {{.name = "SESSION_COOKIE_DOMAIN",
           .help = "Domain of the cookies where the host is in it; empty: the host only.",
           .alias = "COOKIE_DOMAIN",
           .check = CheckCookieDomain},
          {.name = "SESSION_COOKIE_SECURE",
           .help = "Marks the session cookie Secure also without HTTPS_ONLY.",
           .fallback = "false",
           .kind = Kind::kBool,
           .alias = "COOKIE_SECURE"},
          {.name = "CSRF_COOKIE_SECURE",
           .help = "Marks the CSRF cookie Secure also without HTTPS_ONLY.",
           .fallback = "false",
           .kind = Kind::kBool},
          {.name = "COOKIE_SAMESITE",
           .help = "SameSite of the cookies: lax, strict or none (which needs Secure).",
           .fallback = "lax",
           .check = CheckSameSite}};
}

std::vector<config::Setting> RedisSettings() {
  return {{.name = "REDIS_URL",
           .help = "redis:// or rediss://: limits are shared with the gateways there.",
           .secret = true,
           .check = CheckRedisUrl},
          {.name = "REDIS_CA_FILE",
           .help = "Whom to trust for rediss://; empty: the system's authorities."},
          {.name = "LIMITS_NAMESPACE",
           .help = "Whose limits these are in that Redis: a name for each installation.",
           .fallback = "gatehouse",
           .check = CheckNamespace}};
}

std::vector<config::Setting> LimitSettings() {
  using config::Kind;
  return {{.name = "AUTH_RATE_LIMIT",
           .help = "Logins, signups and password resets per address and window; 0: no limit.",
           .fallback = "5",
           .kind = Kind::kInt,
           .alias = "LOGIN_IP_RATE_LIMIT",
           .min = 0,
           .max = 1'000'000},
          {.name = "AUTH_RATE_LIMIT_WINDOW",
           .help = "That window in seconds.",
           .fallback = "60",
           .kind = Kind::kInt,
           .alias = "LOGIN_IP_RATE_WINDOW",
           .min = 1,
           .max = 86'400},
          {.name = "LOGIN_IP_RATE_DISABLED",
           .help = "Lifts AUTH_RATE_LIMIT.",
           .fallback = "false",
           .kind = Kind::kBool}};
}

}  // namespace

std::string HostName(std::string_view host) {
  const bool is_bracketed = !host.empty() && host.front() == '[';
  const std::size_t end = is_bracketed ? host.find(']') : host.find(':');
  std::string name = AsciiLower(host.substr(0, is_bracketed && end != host.npos ? end + 1 : end));
  if (!name.empty() && name.back() == '.') name.pop_back();
  return name;
}

AllowedHosts::AllowedHosts(const std::string& list) {
  for (std::string_view part : SplitList(list)) {
    if (part == "*") {
      any_ = true;
      names_.clear();
      return;
    }
    any_ = false;
    names_.push_back(AsciiLower(part));
  }
}

bool AllowedHosts::Allows(std::string_view host) const {
  if (any_) return true;
  const std::string name = HostName(host);
  for (const std::string& allowed : names_) {
    if (name == allowed) return true;
    if (allowed.front() != '.') continue;
    if (name == allowed.substr(1) || name.ends_with(allowed)) return true;
  }
  return false;
}

std::vector<config::Setting> DeclaredSettings() {
  using config::Kind;
  std::vector<config::Setting> settings = {
      {.name = "HTTP_ADDRESS",
       .help = "Where the edge listens; port 0 lets the system choose.",
       .fallback = "127.0.0.1:8000",
       .check = CheckHttpAddress},
      {.name = "HTTP_WORKERS",
       .help = "Threads of the edge.",
       .fallback = "2",
       .kind = Kind::kInt,
       .min = 1,
       .max = 64},
      {.name = "TRUSTED_PROXIES",
       .help = "Addresses and networks whose X-Forwarded-For is believed, by commas.",
       .check = CheckProxies},
      {.name = "ALLOWED_HOSTS",
       .help = "Names accepted as Host, by commas; required when ENV=production.",
       .alias = "DJANGO_ALLOWED_HOSTS",
       .required_in_production = true},
      {.name = "HTTPS_ONLY",
       .help = "TLS ends in front: secure cookies, CSRF checks, HSTS.",
       .fallback = "false",
       .kind = Kind::kBool},
      {.name = "STRICT_RESPONSE_ENVELOPE",
       .help = "/platform and /api/caches answer 200 with the status in the body.",
       .fallback = "false",
       .kind = Kind::kBool},
      {.name = "CONFIG_FILE",
       .help = "A YAML file with settings, routes, upstreams and limits, read again by SIGHUP.",
       .alias = "DOORMAN_CONFIG_FILE"}};
  std::ranges::copy(HotSettings(), std::back_inserter(settings));
  std::ranges::copy(RedisSettings(), std::back_inserter(settings));
  std::ranges::copy(CookieSettings(), std::back_inserter(settings));
  std::ranges::copy(LimitSettings(), std::back_inserter(settings));
  for (const char* process : kProcesses) {
    settings.push_back(service::AddressSetting(process));
  }
  return settings;
}

absl::StatusOr<Options> ReadOptions(const config::Settings& settings) {
  Options options;
  options.http_address = settings.Text("HTTP_ADDRESS");
  options.http_workers = static_cast<int>(settings.Int("HTTP_WORKERS"));
  GH_ASSIGN_OR_RETURN(options.trusted_proxies,
                      TrustedProxies::Parse(settings.Text("TRUSTED_PROXIES")));
  options.allowed_hosts = AllowedHosts(settings.Text("ALLOWED_HOSTS"));
  options.https_only = settings.Bool("HTTPS_ONLY");
  options.session_cookie_secure = options.https_only || settings.Bool("SESSION_COOKIE_SECURE");
  options.csrf_cookie_secure = options.https_only || settings.Bool("CSRF_COOKIE_SECURE");
  options.cookie_domain = AsciiLower(settings.Text("SESSION_COOKIE_DOMAIN"));
  if (options.cookie_domain.starts_with('.')) options.cookie_domain.erase(0, 1);
  options.cookie_same_site = SameSiteAttribute(settings.Text("COOKIE_SAMESITE"));
  if (options.cookie_same_site == "None" &&
      !(options.session_cookie_secure && options.csrf_cookie_secure)) {
    return Error(absl::StatusCode::kInvalidArgument, "SETTINGS_INVALID",
                 "COOKIE_SAMESITE=none needs HTTPS_ONLY, or SESSION_COOKIE_SECURE and "
                 "CSRF_COOKIE_SECURE: browsers drop such cookies");
  }
  if (!settings.Bool("LOGIN_IP_RATE_DISABLED")) {
    options.auth_rate_limit = static_cast<int>(settings.Int("AUTH_RATE_LIMIT"));
  }
  options.auth_rate_window = std::chrono::seconds(settings.Int("AUTH_RATE_LIMIT_WINDOW"));
  options.strict_envelope = settings.Bool("STRICT_RESPONSE_ENVELOPE");
  return options;
}

}  // namespace gatehouse::gateway
