#include "services/gateway/route_metrics.h"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

namespace gatehouse::gateway {
namespace {

struct Known {
  std::mutex mutex;
  std::set<std::string> templates;                                       // guarded by mutex
  std::map<std::pair<std::string, std::string>, RouteMetrics> by_route;  // guarded by mutex
};

Known& KnownMetrics() {
  static Known& known = *new Known();
  return known;
}

}  // namespace

RouteMetrics::RouteMetrics(const std::string& method, const std::string& route)
    : name(route),
      seconds(&metrics::GetHistogram("gatehouse_http_request_seconds",
                                     "Time from a complete request to its answer.",
                                     {{"method", method}, {"route", route}})) {
  constexpr const char* kClasses[6] = {"left", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (int i = 0; i < 6; ++i) {
    by_class[i] =
        &metrics::GetCounter("gatehouse_http_requests_total", "Requests answered by the edge.",
                             {{"method", method}, {"route", route}, {"class", kClasses[i]}});
  }
}

RouteMetrics& MetricsOf(const std::string& method, const std::string& route) {
  Known& known = KnownMetrics();
  const std::lock_guard lock(known.mutex);
  const bool is_beyond =
      known.templates.size() >= kRouteSeriesMax && !known.templates.contains(route);
  const auto key =
      is_beyond ? std::pair<std::string, std::string>("*", "other") : std::pair(method, route);
  const auto found = known.by_route.find(key);
  if (found != known.by_route.end()) return found->second;
  if (!is_beyond) known.templates.insert(route);
  return known.by_route.try_emplace(key, key.first, key.second).first->second;
}

}  // namespace gatehouse::gateway
