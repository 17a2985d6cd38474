#include "services/gateway/config_diff.h"

#include <algorithm>
#include <span>

namespace gatehouse::gateway {
namespace {

using Texts = std::map<std::string, std::string>;  // By name.

std::string SecondsText(std::chrono::milliseconds time) {
  std::string text = std::to_string(time.count() / 1000);
  if (const auto rest = time.count() % 1000; rest != 0) {
    text += '.' + std::to_string(1000 + rest).substr(1);
  }
  return text + 's';
}

std::string TextOf(const RouteConfig& route) {
  std::string text = std::string("to ") + route.upstream + ", " + NameOf(route.audience);
  if (!route.requirement.empty()) text += ' ' + route.requirement;
  text += std::string(", limit ") + NameOf(route.limit);
  text += ", body " + std::to_string(route.body_bytes_max);
  return text + (route.checks_json ? ", json" : "");
}

std::string TextOf(const UpstreamConfig& upstream) {
  const http::UpstreamOptions& options = upstream.options;
  std::string text;
  for (const std::string& url : upstream.urls) text += (text.empty() ? "" : " ") + url;
  text += ", health " + (upstream.health_path.empty() ? "by connect" : upstream.health_path) +
          " every " + SecondsText(upstream.health_interval);
  text += ", connect " + SecondsText(options.connect_timeout);
  text += ", head " + SecondsText(options.head_timeout);
  text += ", idle " + SecondsText(options.idle_timeout);
  text += ", tunnel idle " + SecondsText(options.tunnel_idle_timeout);
  text += ", pool " + std::to_string(options.pool_max) + " for " + SecondsText(options.pool_idle);
  text += options.retries ? ", attempts " + std::to_string(options.attempts_max) + " after " +
                                SecondsText(options.retry_backoff)
                          : ", no retries";
  text += options.breaks ? ", breaker " + std::to_string(options.breaker_threshold) + " for " +
                               SecondsText(options.breaker_timeout)
                         : ", no breaker";
  return text;
}

Texts TextsOf(std::span<const RouteConfig> routes) {
  Texts texts;
  for (const RouteConfig& route : routes) {
    texts.emplace(route.method + ' ' + route.path, TextOf(route));
  }
  return texts;
}

void CompareTexts(const char* section, const Texts& before, const Texts& after,
                  std::vector<ConfigDiff::Item>* items) {
  for (const auto& [name, text] : before) {
    const auto found = after.find(name);
    const std::string now = found == after.end() ? "" : found->second;
    if (now != text) items->push_back({section, name, text, now});
  }
  for (const auto& [name, text] : after) {
    if (before.count(name) == 0) items->push_back({section, name, "", text});
  }
}

// Most of thousands of routes stay as they are: what both begin and end with is passed
// over.
void CompareRoutes(std::span<const RouteConfig> before, std::span<const RouteConfig> after,
                   std::vector<ConfigDiff::Item>* items) {
  const auto [first, first_after] = std::ranges::mismatch(before, after);
  const auto same = static_cast<std::size_t>(first - before.begin());
  before = before.subspan(same);
  after = after.subspan(same);
  while (!before.empty() && !after.empty() && before.back() == after.back()) {
    before = before.first(before.size() - 1);
    after = after.first(after.size() - 1);
  }
  CompareTexts("routes", TextsOf(before), TextsOf(after), items);
}

Texts UpstreamsOf(const HotConfig& config) {
  Texts texts;
  for (const UpstreamConfig& upstream : config.upstreams) {
    texts.emplace(upstream.options.name, TextOf(upstream));
  }
  return texts;
}

Texts LimitsOf(const HotConfig& config) {
  Texts texts;
  for (const auto& [limit, rate] : config.rates) {
    texts[NameOf(limit)] =
        std::to_string(rate.per_second) + "/s, burst " + std::to_string(rate.burst);
  }
  for (const auto& [lane, most] : config.in_flight_max)
    texts[std::string("in_flight ") + NameOf(lane)] = std::to_string(most);
  return texts;
}

}  // namespace

std::vector<std::string> ConfigDiff::SectionNames() const {
  std::vector<std::string> names;
  for (const Item& item : sections) {
    if (names.empty() || names.back() != item.section) names.push_back(item.section);
  }
  return names;
}

std::string ConfigDiff::ToText() const {
  std::string text;
  for (const std::vector<Item>* const items : {&settings, &sections}) {
    for (const Item& item : *items) {
      const std::string name = item.section.empty() ? item.name : item.section + ' ' + item.name;
      if (item.before.empty()) {
        text += "+ " + name + ": " + item.after + '\n';
      } else if (item.after.empty()) {
        text += "- " + name + ": " + item.before + '\n';
      } else {
        text += "~ " + name + ": " + item.before + " -> " + item.after + '\n';
      }
    }
  }
  return text;
}

ConfigDiff Compare(const HotConfig& before, const HotConfig& after) {
  ConfigDiff diff;
  Texts settings_before = before.shown;
  Texts settings_after = after.shown;
  for (const char* const summary : {"ROUTES", "UPSTREAMS"}) {
    settings_before.erase(summary);
    settings_after.erase(summary);
  }
  CompareTexts("", settings_before, settings_after, &diff.settings);
  CompareRoutes(before.routes, after.routes, &diff.sections);
  if (before.upstreams != after.upstreams) {
    CompareTexts("upstreams", UpstreamsOf(before), UpstreamsOf(after), &diff.sections);
  }
  CompareTexts("limits", LimitsOf(before), LimitsOf(after), &diff.sections);
  return diff;
}

}  // namespace gatehouse::gateway
