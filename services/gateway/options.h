// What of the gateway's settings is read once, at start, checked as a whole. Not what
// may change while the process runs (hot_config.h).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "libs/config/settings.h"
#include "services/gateway/client_address.h"

namespace gatehouse::gateway {

// The name in a Host header: without port, in lower case; brackets stay.
std::string HostName(std::string_view host);

// The names that a request may give as Host.
class AllowedHosts {
 public:
  AllowedHosts() = default;
  // "api.example.com, .example.org, *": exact names, domains with their
  // subdomains (leading dot), or any. An empty list allows any.
  explicit AllowedHosts(const std::string& list);

  // `host`: the value of the header, with or without a port.
  bool Allows(std::string_view host) const;

 private:
  bool any_ = true;
  std::vector<std::string> names_;
};

struct Options {
  std::string http_address;
  int http_workers = 2;
  TrustedProxies trusted_proxies;
  AllowedHosts allowed_hosts;
  bool https_only = false;
  bool session_cookie_secure = false;
  bool csrf_cookie_secure = false;
  std::string cookie_domain;             // Without a leading dot; empty: host only.
  std::string cookie_same_site = "Lax";  // As it is sent.
  int auth_rate_limit = 0;               // Per window and address; 0: none.
  std::chrono::seconds auth_rate_window{60};
  // /platform and /api/caches answer 200 with the status in the body.
  bool strict_envelope = false;
};

// What the gateway declares beside the common settings.
std::vector<config::Setting> DeclaredSettings();

// INVALID_ARGUMENT / SETTINGS_INVALID for what no setting shows alone.
absl::StatusOr<Options> ReadOptions(const config::Settings& settings);

}  // namespace gatehouse::gateway
