// What an operator may change while the gateway runs: read as one piece from the
// settings (environment, ENV_FILE, the scalars of CONFIG_FILE) and from the routes,
// upstreams, limits and CORS rules of CONFIG_FILE, checked as a whole, then never
// altered. Not what is made of it (snapshot.h).
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "libs/config/settings.h"
#include "libs/http/upstream_group.h"
#include "services/gateway/route.h"

namespace gatehouse::gateway {

// The name of the group behind seed routes and /api/v1/ws.
inline constexpr char kCoreManager[] = "core-manager";

struct CorsConfig {
  std::vector<std::string> origins;  // "https://app.example.com", or the one entry "*"
  bool credentials = false;          // Refused together with "*".
  std::vector<std::string> methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  std::vector<std::string> headers = {"Authorization", "Content-Type",    "X-CSRF-Token",
                                      "X-Request-ID",  "Idempotency-Key", "Last-Event-ID"};
  std::chrono::seconds max_age{600};

  bool operator==(const CorsConfig&) const = default;
};

struct UpstreamConfig {
  http::UpstreamOptions options;                    // With the name.
  std::vector<std::string> urls;                    // "http://host:port"
  std::string health_path;                          // "" : connecting is enough.
  std::chrono::milliseconds health_interval{2000};  // 0: never probed.

  bool operator==(const UpstreamConfig&) const = default;
};

// A route of CONFIG_FILE: always to an upstream.
struct RouteConfig {
  std::string method;
  std::string path;
  Audience audience = Audience::kUser;
  std::string requirement;
  Limit limit = Limit::kProxy;
  std::string upstream;
  std::size_t body_bytes_max = 10 << 20;
  bool checks_json = true;  // A body must be JSON.

  bool operator==(const RouteConfig&) const = default;
};

// A token bucket; 0: the user row's own.
struct RateConfig {
  int per_second = 0;
  int burst = 0;

  bool operator==(const RateConfig&) const = default;
};

struct HotConfig {
  std::chrono::milliseconds gateway_timeout{30000};  // The most that any own route takes.
  bool rate_limit_enabled = true;                    // Limits per user, and those below.
  int anonymous_requests = 600;                      // Per window and address, of who is unknown.
  std::chrono::seconds anonymous_window{60};
  std::map<Limit, RateConfig> rates;   // By class of routes; absent: the user row's.
  std::chrono::seconds cache_ttl{60};  // Of verified credentials.
  std::size_t cache_size_max = 65536;
  bool access_log = true;
  bool metrics_enabled = true;
  std::size_t body_bytes_max = 1 << 20;           // Of own routes.
  std::size_t proxied_body_bytes_max = 10 << 20;  // Of the seed's routes to core-manager.
  int sockets_per_user_max = 10;
  std::map<Lane, int> in_flight_max = {
      {Lane::kAdmin, 256}, {Lane::kApi, 2048}, {Lane::kProxy, 4096}, {Lane::kSocket, 16384}};
  CorsConfig cors;
  std::vector<UpstreamConfig> upstreams;  // core-manager among them, if it is set.
  std::vector<RouteConfig> routes;
  // NAME → JSON value as GET /platform/config/current shows it; secrets redacted already.
  std::map<std::string, std::string> shown;

  bool operator==(const HotConfig&) const = default;
};

struct ConfigSections;

// What the gateway declares of it; a reload applies each.
std::vector<config::Setting> HotSettings();

// Of settings and sections that were read together. INVALID_ARGUMENT / CONFIG_INVALID
// for what neither shows alone; a line and, where it has a place, a field violation per
// problem.
absl::StatusOr<HotConfig> ReadHotConfig(const config::Settings& settings,
                                        const ConfigSections& sections);

}  // namespace gatehouse::gateway
