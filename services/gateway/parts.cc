#include "services/gateway/parts.h"

#include <algorithm>

#include "libs/log/log.h"
#include "libs/trace/trace.h"

namespace gatehouse::gateway {
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

bool Parts::IsReady() const {
  return !is_draining.load(std::memory_order_relaxed) &&
         control.IsFresh(std::chrono::steady_clock::now()) &&
         Judge(health.Parts(), true) != Health::kUnhealthy;
}

void AddCommonHeaders(const std::string& request_id, const Options& options,
                      http::Response* response) {
  auto& headers = response->headers;
  headers.reserve(headers.size() + 9);
  headers.push_back({"X-Request-ID", request_id});
  headers.push_back({"X-Content-Type-Options", "nosniff"});
  headers.push_back({"X-Frame-Options", "DENY"});
  headers.push_back({"Referrer-Policy", "no-referrer"});
  headers.push_back({"Permissions-Policy", "geolocation=(), microphone=(), camera=()"});
  headers.push_back({"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"});
  const auto is_caching = [](const http::Header& header) {
    return http::SameName(header.name, "Cache-Control");
  };
  if (std::none_of(headers.begin(), headers.end(), is_caching)) {
    headers.push_back({"Cache-Control", "no-store"});
  }
  if (options.https_only) {
    headers.push_back({"Strict-Transport-Security", "max-age=31536000"});
  }
}

void WriteAccessLog(const AccessEntry& entry) {
  std::string trace_id;
  if (const auto parent = trace::Parse(entry.trace_parent)) trace_id = parent->trace_id;
  const log::Scope scope({entry.request_id, trace_id});
  const auto took = std::chrono::steady_clock::now() - entry.begin;
  log::Info("request",
            {{"method", entry.request.method},
             {"route", entry.route},
             {"status", entry.status},
             {"bytes", entry.bytes},
             {"duration_us", std::chrono::duration_cast<std::chrono::microseconds>(took).count()},
             {"client", entry.client_address},
             {"user_id", entry.user_id}});
}

}  // namespace gatehouse::gateway
