// What is counted of an upstream group, resolved once per name and kept for as long as
// the process lives. Names come from the configuration: their number is capped.
#pragma once

#include <string>

#include "libs/http/forward.h"
#include "libs/metrics/metrics.h"

namespace gatehouse::gateway {

struct UpstreamMetrics {
  metrics::Histogram* head_seconds;    // Until the response's head, of requests that got one.
  metrics::Gauge* breaker_state;       // 0 closed, 1 half-open, 2 open.
  metrics::Counter* failures[8] = {};  // By ForwardError; null for what is none of its.
  metrics::Counter* broken_off;        // Behind the head.

  // Counts one request that has ended.
  void Count(const http::ForwardReport& report) const;
};

// Behind the first kUpstreamSeriesMax names all share one row, "other". Thread-safe.
inline constexpr std::size_t kUpstreamSeriesMax = 100;
const UpstreamMetrics& UpstreamMetricsOf(const std::string& upstream);

// "unreachable", "head_timeout", …: for logs and metrics.
const char* NameOf(http::ForwardError error);

}  // namespace gatehouse::gateway
