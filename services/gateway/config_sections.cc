#include "services/gateway/config_sections.h"

#include <algorithm>
#include <set>

#include "services/gateway/configured_routes.h"
#include "services/gateway/section_reader.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;

constexpr const char* kSections[] = {"routes", "upstreams", "limits"};
constexpr milliseconds kInstant{1};
constexpr milliseconds kMinute{60'000};
constexpr milliseconds kHour{3'600'000};
constexpr milliseconds kDay{86'400'000};

bool IsUpstreamName(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

template <typename To, typename From>
void Set(To* to, const std::optional<From>& from) {
  if (from) *to = static_cast<To>(*from);
}

void ReadUrls(SectionReader& reader, UpstreamConfig* upstream) {
  upstream->urls = reader.Texts("urls");
  for (const std::string& url : upstream->urls) {
    std::string host;
    std::string port;
    const std::string fault = http::ParseUpstreamUrl(url, &host, &port);
    if (fault.empty()) continue;
    std::string note = "\"";
    reader.Note("urls", note.append(url).append("\": ").append(fault));
  }
}

UpstreamConfig ReadUpstream(const config::YamlNode& node, const std::string& file,
                            const UpstreamConfig& defaults, config::Problems* problems) {
  SectionReader reader(node, file, "an upstream", problems);
  UpstreamConfig upstream = defaults;
  http::UpstreamOptions& options = upstream.options;
  options.name = reader.Required("name");
  if (!options.name.empty() && !IsUpstreamName(options.name)) {
    reader.Note("name", "a name is 1 to 64 of a-z, 0-9, \"-\", \"_\" and \".\"");
  }
  ReadUrls(reader, &upstream);
  Set(&upstream.health_path, reader.Text("health_path"));
  if (!upstream.health_path.empty() && upstream.health_path.front() != '/') {
    reader.Note("health_path", "health_path must begin with \"/\"");
  }
  Set(&upstream.health_interval, reader.Seconds("health_interval", milliseconds(0), kHour));
  Set(&options.connect_timeout, reader.Seconds("connect_timeout", kInstant, kMinute));
  Set(&options.head_timeout, reader.Seconds("head_timeout", kInstant, kHour));
  Set(&options.idle_timeout, reader.Seconds("idle_timeout", kInstant, kHour));
  Set(&options.tunnel_idle_timeout, reader.Seconds("tunnel_idle_timeout", kInstant, kDay));
  Set(&options.pool_idle, reader.Seconds("pool_idle", milliseconds(0), kHour));
  Set(&options.pool_max, reader.Int("pool_max", 0, 4096));
  Set(&options.retries, reader.Bool("retries"));
  Set(&options.attempts_max, reader.Int("attempts_max", 1, 10));
  Set(&options.retry_backoff, reader.Seconds("retry_backoff", milliseconds(0), kMinute));
  Set(&options.breaks, reader.Bool("breaker"));
  Set(&options.breaker_threshold, reader.Int("breaker_threshold", 1, 1'000'000));
  Set(&options.breaker_timeout, reader.Seconds("breaker_timeout", kInstant, kHour));
  reader.Finish();
  if (!options.retries) options.attempts_max = 1;
  return upstream;
}

// The items of a section that is a list.
const std::vector<config::YamlNode>& ItemsOf(const config::YamlNode& node, const std::string& file,
                                             const char* name, config::Problems* problems) {
  const bool is_list =
      node.kind == config::YamlNode::Kind::kList || node.kind == config::YamlNode::Kind::kNull;
  if (!is_list)
    problems->push_back({config::PlaceOf(file, node.line), std::string(name) + " must be a list"});
  return node.items;
}

void ReadRates(SectionReader& limits, const std::string& file, ConfigSections* sections,
               config::Problems* problems) {
  for (const auto& [key, limit] : {std::pair("user", Limit::kUser), {"proxy", Limit::kProxy}}) {
    const config::YamlNode* const node = limits.Find(key);
    if (node == nullptr) continue;
    SectionReader reader(*node, file, "a limit", problems);
    RateConfig& rate = sections->rates[limit];
    Set(&rate.per_second, reader.Int("per_second", 1, 1'000'000));
    Set(&rate.burst, reader.Int("burst", 1, 1'000'000));
    if (rate.per_second == 0 || rate.burst == 0) {
      reader.Note("", "a limit needs per_second and burst");
    }
    reader.Finish();
  }
}

void ReadLimits(const config::YamlNode& node, const std::string& file, ConfigSections* sections,
                config::Problems* problems) {
  SectionReader limits(node, file, "limits", problems);
  ReadRates(limits, file, sections, problems);
  if (const config::YamlNode* const in_flight = limits.Find("in_flight")) {
    SectionReader reader(*in_flight, file, "in_flight", problems);
    for (const auto& [key, lane] : {std::pair("admin", Lane::kAdmin),
                                    {"api", Lane::kApi},
                                    {"proxy", Lane::kProxy},
                                    {"socket", Lane::kSocket}}) {
      const auto most = reader.Int(key, 1, 1'000'000);
      if (most) sections->in_flight_max[lane] = static_cast<int>(*most);
    }
    reader.Finish();
  }
  limits.Finish();
}

std::set<std::string> NamesOf(const std::vector<UpstreamConfig>& upstreams) {
  std::set<std::string> names = {kCoreManager};
  for (const UpstreamConfig& upstream : upstreams) names.insert(upstream.options.name);
  return names;
}

}  // namespace

bool IsSection(std::string_view key) {
  return std::find(std::begin(kSections), std::end(kSections), key) != std::end(kSections);
}

std::vector<UpstreamConfig> ReadUpstreams(const ConfigSections& sections,
                                          const UpstreamConfig& defaults,
                                          config::Problems* problems) {
  std::vector<UpstreamConfig> upstreams;
  std::set<std::string> names;
  const std::string& file = sections.file;
  for (const config::YamlNode& node : ItemsOf(sections.upstreams, file, "upstreams", problems)) {
    const std::size_t before = problems->size();
    UpstreamConfig upstream = ReadUpstream(node, file, defaults, problems);
    const std::string& name = upstream.options.name;
    const auto note = [&](const std::string& text) {
      problems->push_back({config::PlaceOf(file, node.line), text});
    };
    if (problems->size() == before && upstream.urls.empty() && name != kCoreManager) {
      note("the upstream " + name + " needs urls");
    }
    if (!name.empty() && !names.insert(name).second) note("a second upstream " + name);
    upstreams.push_back(std::move(upstream));
  }
  return upstreams;
}

ConfigSections ReadSections(const config::YamlNode& root, const std::string& file,
                            config::Problems* problems) {
  ConfigSections sections;
  sections.file = file;
  if (const config::YamlNode* const upstreams = root.Find("upstreams")) {
    sections.upstreams = *upstreams;
  }
  const std::set<std::string> names = NamesOf(ReadUpstreams(sections, {}, problems));
  const config::YamlNode* const limits = root.Find("limits");
  if (limits != nullptr && limits->kind != config::YamlNode::Kind::kNull) {
    ReadLimits(*limits, file, &sections, problems);
  }
  if (const config::YamlNode* const routes = root.Find("routes")) {
    sections.routes = ReadRoutes(ItemsOf(*routes, file, "routes", problems), file, names, problems);
  }
  return sections;
}

}  // namespace gatehouse::gateway
