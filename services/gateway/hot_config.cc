#include "services/gateway/hot_config.h"

#include <algorithm>

#include "libs/config/value.h"
#include "libs/http/message.h"
#include "services/gateway/config_sections.h"
#include "services/gateway/json_writer.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

using config::Settings;

std::vector<std::string> TextsOf(const Settings& settings, const char* name) {
  std::vector<std::string> texts;
  for (const std::string_view part : SplitList(settings.Text(name))) texts.emplace_back(part);
  return texts;
}

UpstreamConfig UpstreamDefaults(const Settings& settings) {
  UpstreamConfig upstream;
  http::UpstreamOptions& options = upstream.options;
  options.connect_timeout = settings.Seconds("CONNECTION_TIMEOUT");
  options.head_timeout = settings.Seconds("UPSTREAM_TIMEOUT");
  options.idle_timeout = settings.Seconds("UPSTREAM_TIMEOUT");
  options.breaks = settings.Bool("CIRCUIT_BREAKER_ENABLED");
  options.breaker_threshold = static_cast<int>(settings.Int("CIRCUIT_BREAKER_THRESHOLD"));
  options.breaker_timeout = settings.Seconds("CIRCUIT_BREAKER_TIMEOUT");
  options.retries = settings.Bool("RETRY_ENABLED");
  options.attempts_max = static_cast<int>(settings.Int("RETRY_MAX_ATTEMPTS"));
  options.retry_backoff = settings.Seconds("RETRY_BACKOFF");
  return upstream;
}

// core-manager is there when CORE_MANAGER_URL or the section gives it an address. What
// the environment says of its addresses wins.
std::vector<UpstreamConfig> UpstreamsOf(const Settings& settings, const ConfigSections& sections,
                                        config::Problems* problems) {
  const UpstreamConfig defaults = UpstreamDefaults(settings);
  std::vector<UpstreamConfig> upstreams = ReadUpstreams(sections, defaults, problems);
  const std::vector<std::string> urls = TextsOf(settings, "CORE_MANAGER_URL");
  const auto core = std::ranges::find(upstreams, std::string(kCoreManager),
                                      [](const UpstreamConfig& one) { return one.options.name; });
  if (core == upstreams.end()) {
    if (urls.empty()) return upstreams;
    UpstreamConfig& made = upstreams.emplace_back(defaults);
    made.options.name = kCoreManager;
    if (!made.options.retries) made.options.attempts_max = 1;
    made.urls = urls;
    return upstreams;
  }
  const std::string where = settings.Where("CORE_MANAGER_URL");
  if (!urls.empty() && !core->urls.empty() && !where.empty()) {
    problems->push_back({where, "the upstream core-manager has urls of its own"});
  }
  if (!urls.empty()) core->urls = urls;
  if (core->urls.empty()) upstreams.erase(core);
  return upstreams;
}

CorsConfig CorsOf(const Settings& settings, config::Problems* problems) {
  CorsConfig cors;
  cors.origins = TextsOf(settings, "CORS_ALLOWED_ORIGINS");
  cors.credentials = settings.Bool("CORS_ALLOW_CREDENTIALS");
  cors.methods = TextsOf(settings, "CORS_ALLOWED_METHODS");
  cors.headers = TextsOf(settings, "CORS_ALLOWED_HEADERS");
  cors.max_age = std::chrono::seconds(settings.Int("CORS_MAX_AGE"));
  if (cors.credentials && std::ranges::find(cors.origins, "*") != cors.origins.end()) {
    const std::string where = settings.Where("CORS_ALLOW_CREDENTIALS");
    problems->push_back({where.empty() ? settings.Where("CORS_ALLOWED_ORIGINS") : where,
                         "CORS_ALLOW_CREDENTIALS cannot be together with "
                         "CORS_ALLOWED_ORIGINS=*: name the origins"});
  }
  return cors;
}

std::string JsonOf(const config::Entry& entry) {
  const auto number = config::ParseInt(entry.value);
  const auto flag = config::ParseBool(entry.value);
  if (entry.kind == config::Kind::kBool && flag) return *flag ? "true" : "false";
  if (entry.kind == config::Kind::kInt && number) return std::to_string(*number);
  const auto millis = config::ParseSeconds(entry.value);
  if (entry.kind == config::Kind::kSeconds && millis) {
    const std::string part = std::to_string(1000 + millis->count() % 1000).substr(1);
    const std::string whole = std::to_string(millis->count() / 1000);
    return millis->count() % 1000 == 0 ? whole : whole + '.' + part;
  }
  std::string json;
  // A setting may hold any bytes.
  AppendJsonText(&json, http::IsValidUtf8(entry.value) ? entry.value : Printable(entry.value, 512));
  return json;
}

std::map<std::string, std::string> ShownOf(const Settings& settings, const HotConfig& hot) {
  std::map<std::string, std::string> shown;
  for (const config::Entry& entry : settings.Entries()) {
    if (!entry.value.empty()) shown[entry.name] = JsonOf(entry);
  }
  JsonWriter names;
  names.BeginArray();
  for (const UpstreamConfig& upstream : hot.upstreams) names.Text(upstream.options.name);
  shown["UPSTREAMS"] = names.EndArray().Take();
  shown["ROUTES"] = std::to_string(hot.routes.size());
  return shown;
}

}  // namespace

absl::StatusOr<HotConfig> ReadHotConfig(const Settings& settings, const ConfigSections& sections) {
  config::Problems problems;
  HotConfig hot;
  hot.gateway_timeout = settings.Seconds("GATEWAY_TIMEOUT");
  hot.rate_limit_enabled = settings.Bool("RATE_LIMIT_ENABLED");
  hot.anonymous_requests = static_cast<int>(settings.Int("RATE_LIMIT_REQUESTS"));
  hot.anonymous_window = std::chrono::seconds(settings.Int("RATE_LIMIT_WINDOW"));
  hot.rates = sections.rates;
  hot.cache_ttl = std::chrono::seconds(settings.Int("CACHE_TTL"));
  hot.cache_size_max = static_cast<std::size_t>(settings.Int("CACHE_MAX_SIZE"));
  hot.access_log = settings.Bool("ACCESS_LOG");
  hot.metrics_enabled = settings.Bool("METRICS_ENABLED");
  hot.body_bytes_max = static_cast<std::size_t>(settings.Int("BODY_BYTES_MAX"));
  hot.proxied_body_bytes_max = static_cast<std::size_t>(settings.Int("PROXY_BODY_BYTES_MAX"));
  hot.sockets_per_user_max = static_cast<int>(settings.Int("SOCKETS_PER_USER_MAX"));
  for (const auto& [lane, most] : sections.in_flight_max) hot.in_flight_max[lane] = most;
  hot.cors = CorsOf(settings, &problems);
  hot.upstreams = UpstreamsOf(settings, sections, &problems);
  hot.routes = sections.routes;
  if (!problems.empty()) return config::StatusOf(problems, "CONFIG_INVALID");
  hot.shown = ShownOf(settings, hot);
  return hot;
}

}  // namespace gatehouse::gateway
