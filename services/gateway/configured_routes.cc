#include "services/gateway/configured_routes.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "services/gateway/config_sections.h"
#include "services/gateway/routes.h"
#include "services/gateway/section_reader.h"

namespace gatehouse::gateway {
namespace {

constexpr std::size_t kPathBytesMax = 1024;
constexpr std::int64_t kBodyBytesMax = std::int64_t{1} << 40;
constexpr const char* kMethods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

bool IsLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsParameter(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

// "" or what is wrong.
std::string SegmentFault(std::string_view segment) {
  if (segment.empty()) return "has an empty segment";
  if (segment == "." || segment == "..") return "has a segment of dots";
  const bool is_name = IsParameter(segment);
  if (is_name) segment = segment.substr(1, segment.size() - 2);
  for (const char c : segment) {
    const bool fits =
        IsLetterOrDigit(c) || c == '_' ||
        (!is_name && std::string_view("-.~!$&'()*+,;=:@").find(c) != std::string_view::npos);
    if (!fits) {
      return is_name ? "has a {name} of other than letters, digits and \"_\""
                     : "has a character that may not stand in a path as it is";
    }
  }
  return "";
}

// Calls `on(segment)` for each segment; a slash at the end makes none.
void EachSegment(std::string_view path, const auto& on) {
  while (!path.empty() && path != "/") {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    on(segment);
  }
}

std::string PathFault(const std::string& path) {
  if (path.front() != '/') return "must begin with \"/\"";
  if (path.size() > kPathBytesMax) return "is too long";
  std::string fault;
  std::vector<std::string_view> names;
  EachSegment(path, [&](std::string_view segment) {
    if (fault.empty()) fault = SegmentFault(segment);
    if (!IsParameter(segment)) return;
    if (std::ranges::find(names, segment) != names.end()) fault = "has a {name} twice";
    names.push_back(segment);
  });
  return fault;
}

// "public", "user", "role NAME", "permission NAME".
bool ParseAudience(const std::string& text, RouteConfig* route) {
  const std::size_t space = text.find(' ');
  const std::string kind = text.substr(0, space);
  const bool has_name = space != std::string::npos;
  route->requirement = has_name ? text.substr(space + 1) : "";
  if (kind == "public") route->audience = Audience::kPublic;
  if (kind == "user") route->audience = Audience::kUser;
  if (kind == "public" || kind == "user") return !has_name;
  if (kind == "role") route->audience = Audience::kRole;
  if (kind == "permission") route->audience = Audience::kPermission;
  return (kind == "role" || kind == "permission") && !route->requirement.empty() &&
         route->requirement.find(' ') == std::string::npos;
}

bool ParseLimit(const std::string& text, RouteConfig* route) {
  if (text == "none") route->limit = Limit::kNone;
  if (text == "user") route->limit = Limit::kUser;
  if (text == "proxy") route->limit = Limit::kProxy;
  return text == "none" || text == "user" || text == "proxy";
}

std::vector<std::string> ReadMethods(SectionReader& reader) {
  std::vector<std::string> methods = reader.Texts("method");
  if (methods.empty()) reader.Note("method", "a route needs method");
  for (const std::string& method : methods) {
    if (std::find(std::begin(kMethods), std::end(kMethods), method) != std::end(kMethods)) continue;
    reader.Note("method", "method must be GET, POST, PUT, PATCH or DELETE, not \"" + method +
                              "\" (HEAD comes with GET, OPTIONS with any)");
  }
  return methods;
}

// Of one item; its methods go to `methods`.
RouteConfig ReadRoute(SectionReader& reader, const std::set<std::string>& upstreams,
                      std::vector<std::string>* methods) {
  RouteConfig route;
  *methods = ReadMethods(reader);
  route.path = reader.Required("path");
  const std::string fault = route.path.empty() ? "" : PathFault(route.path);
  if (!fault.empty()) reader.Note("path", "the path " + route.path + ' ' + fault);
  const std::string audience = reader.Required("audience");
  if (!audience.empty() && !ParseAudience(audience, &route)) {
    reader.Note("audience", "audience must be public, user, role NAME or permission NAME");
  }
  if (const auto limit = reader.Text("limit"); limit && !ParseLimit(*limit, &route)) {
    reader.Note("limit", "limit must be none, user or proxy");
  }
  route.upstream = reader.Required("upstream");
  if (!route.upstream.empty() && upstreams.count(route.upstream) == 0) {
    reader.Note("upstream",
                "there is no upstream " + route.upstream +
                    config::DidYouMean(route.upstream, {upstreams.begin(), upstreams.end()}));
  }
  const auto bytes = reader.Int("body_bytes_max", 1, kBodyBytesMax);
  if (bytes) route.body_bytes_max = static_cast<std::size_t>(*bytes);
  route.checks_json = reader.Bool("json").value_or(true);
  reader.Finish();
  return route;
}

// The keys of the routes that are not configured; made once.
const std::unordered_set<std::string>& OwnKeys() {
  static const std::unordered_set<std::string>& keys = *[] {
    RouteTable table;
    AddRoutes(table);
    AddCoreManagerRoutes(table, nullptr);
    auto* const made = new std::unordered_set<std::string>();
    for (const Route& route : table.routes()) made->insert(RouteKey(route.method, route.path));
    return made;
  }();
  return keys;
}

}  // namespace

std::string RouteKey(const std::string& method, std::string_view path) {
  std::string key = method + ' ';
  key.reserve(key.size() + path.size());
  EachSegment(path, [&](std::string_view segment) {
    key += '/';
    key += IsParameter(segment) ? "{}" : segment;
  });
  return key;
}

std::vector<RouteConfig> ReadRoutes(const std::vector<config::YamlNode>& items,
                                    const std::string& file, const std::set<std::string>& upstreams,
                                    config::Problems* problems) {
  std::vector<RouteConfig> routes;
  routes.reserve(items.size());
  std::unordered_map<std::string, int> lines;  // By key.
  lines.reserve(items.size());
  std::vector<std::string> methods;
  for (const config::YamlNode& item : items) {
    const std::size_t before = problems->size();
    SectionReader reader(item, file, "a route", problems);
    RouteConfig route = ReadRoute(reader, upstreams, &methods);
    if (route.path.empty()) continue;
    for (const std::string& method : methods) {
      route.method = method;
      std::string key = RouteKey(method, route.path);
      if (OwnKeys().count(key) > 0) {
        reader.Note("path", method + ' ' + route.path + " is a route of the gateway's own");
      }
      const auto [entry, added] = lines.try_emplace(std::move(key), item.line);
      if (!added) {
        reader.Note("path", method + ' ' + route.path + " is there already, at line " +
                                std::to_string(entry->second));
      }
      if (problems->size() == before) routes.push_back(route);
    }
  }
  if (routes.size() > kConfiguredRoutesMax) {
    problems->push_back({file, std::to_string(routes.size()) + " routes are too many: at most " +
                                   std::to_string(kConfiguredRoutesMax)});
  }
  return routes;
}

}  // namespace gatehouse::gateway
