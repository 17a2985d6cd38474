#include "services/gateway/upstream_metrics.h"

#include <map>
#include <mutex>

namespace gatehouse::gateway {
namespace {

using http::ForwardError;

constexpr char kBrokenOff[] = "truncated";
constexpr ForwardError kFailures[] = {ForwardError::kNoEndpoint,  ForwardError::kBreakerOpen,
                                      ForwardError::kUnreachable, ForwardError::kHeadTimeout,
                                      ForwardError::kBadResponse, ForwardError::kBroken};

metrics::Counter* FailureCounter(const std::string& upstream, const char* reason) {
  return &metrics::GetCounter("gatehouse_upstream_failures_total",
                              "Requests that an upstream did not answer, or not whole.",
                              {{"upstream", upstream}, {"reason", reason}});
}

UpstreamMetrics Resolve(const std::string& upstream) {
  UpstreamMetrics all;
  all.head_seconds = &metrics::GetHistogram("gatehouse_upstream_head_seconds",
                                            "Time until the head of an upstream's response.",
                                            {{"upstream", upstream}});
  all.breaker_state = &metrics::GetGauge("gatehouse_upstream_breaker_state",
                                         "The circuit breaker: 0 closed, 1 half-open, 2 open.",
                                         {{"upstream", upstream}});
  for (const ForwardError error : kFailures) {
    all.failures[static_cast<std::size_t>(error)] = FailureCounter(upstream, NameOf(error));
  }
  all.broken_off = FailureCounter(upstream, kBrokenOff);
  return all;
}

}  // namespace

const char* NameOf(ForwardError error) {
  switch (error) {
    case ForwardError::kNone:
      return "";
    case ForwardError::kNoEndpoint:
      return "no_endpoint";
    case ForwardError::kBreakerOpen:
      return "breaker_open";
    case ForwardError::kUnreachable:
      return "unreachable";
    case ForwardError::kHeadTimeout:
      return "head_timeout";
    case ForwardError::kBadResponse:
      return "bad_response";
    case ForwardError::kBroken:
      return "broken";
    case ForwardError::kBodyRefused:
      return "body_refused";
  }
  return "";
}

void UpstreamMetrics::Count(const http::ForwardReport& report) const {
  if (report.head.count() > 0) {
    head_seconds->Observe(std::chrono::duration<double>(report.head).count());
  }
  metrics::Counter* const failure = failures[static_cast<std::size_t>(report.error)];
  if (failure != nullptr) failure->Increment();
  if (report.is_truncated) broken_off->Increment();
}

const UpstreamMetrics& UpstreamMetricsOf(const std::string& upstream) {
  static std::mutex& mutex = *new std::mutex();
  static auto& known = *new std::map<std::string, UpstreamMetrics>();
  const std::lock_guard lock(mutex);
  const auto found = known.find(upstream);
  if (found != known.end()) return found->second;
  const std::string name = known.size() < kUpstreamSeriesMax ? upstream : "other";
  return known.try_emplace(name, Resolve(name)).first->second;
}

}  // namespace gatehouse::gateway
