#include "services/gateway/options.h"

#include "libs/service/process.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

constexpr const char* kProcesses[] = {"auth", "invitations", "billing", "jobs",
                                      "orchestrator_monitor"};

// Without port, brackets stay.
std::string_view HostName(std::string_view host) {
  if (!host.empty() && host.front() == '[') return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

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

std::string CheckHttpAddress(const std::string& address) {
  return address.find(':') == std::string::npos ? "must be HOST:PORT" : "";
}

}  // namespace

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
  std::string name = AsciiLower(HostName(host));
  if (!name.empty() && name.back() == '.') name.pop_back();
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
      {.name = "SESSION_COOKIE_DOMAIN",
       .help = "Domain of the cookies; empty: this host only.",
       .check = CheckCookieDomain},
      {.name = "SESSION_COOKIE_SECURE",
       .help = "Marks the session cookie Secure also without HTTPS_ONLY.",
       .fallback = "false",
       .kind = Kind::kBool},
      {.name = "CSRF_COOKIE_SECURE",
       .help = "Marks the CSRF cookie Secure also without HTTPS_ONLY.",
       .fallback = "false",
       .kind = Kind::kBool},
      {.name = "ACCESS_LOG",
       .help = "Writes one log line per request.",
       .fallback = "true",
       .kind = Kind::kBool,
       .reloadable = true}};
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
  options.cookie_domain = settings.Text("SESSION_COOKIE_DOMAIN");
  options.access_log = settings.Bool("ACCESS_LOG");
  return options;
}

}  // namespace gatehouse::gateway
