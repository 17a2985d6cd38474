// What is counted of a route, resolved once: looking a label up per request would
// cost more than the rest. One per template, for as long as the process lives.
#pragma once

#include <string>

#include "libs/metrics/metrics.h"

namespace gatehouse::gateway {

// Resolved once per route.
struct RouteMetrics {
  RouteMetrics(const std::string& method, const std::string& route);

  std::string name;               // The template, for the log
  metrics::Counter* by_class[6];  // 1xx … 5xx; [0]: the client left
  metrics::Histogram* seconds;
};

// The metrics of (method, template): the same for every snapshot. Behind the first
// kRouteSeriesMax templates all share one row, "other". Thread-safe.
inline constexpr std::size_t kRouteSeriesMax = 500;
RouteMetrics& MetricsOf(const std::string& method, const std::string& route);

}  // namespace gatehouse::gateway
