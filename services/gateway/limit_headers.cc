#include "services/gateway/limit_headers.h"

#include <algorithm>

namespace gatehouse::gateway {

using std::chrono::ceil;
using std::chrono::seconds;

long WholeSeconds(std::chrono::nanoseconds left) {
  return std::max<long>(static_cast<long>(ceil<seconds>(left).count()), 1);
}

namespace {

// Calls `add(name, value)` for each field.
template <typename Add>
void VisitFields(const LimitVerdict& verdict, const std::string& name, Time now, const Add& add) {
  if (verdict.limit == 0) return;
  const std::string limit = std::to_string(verdict.limit);
  const std::string remaining = std::to_string(verdict.remaining);
  const auto full_time = ceil<seconds>((now + verdict.reset).time_since_epoch());
  add("X-RateLimit-Limit", limit);
  add("X-RateLimit-Remaining", remaining);
  add("X-RateLimit-Reset", std::to_string(full_time.count()));
  const std::string quoted = "\"" + name + "\"";
  const std::string quota = verdict.quota == 0 ? limit : std::to_string(verdict.quota);
  add("RateLimit-Policy", quoted + ";q=" + quota + ";w=" + std::to_string(verdict.window.count()));
  add("RateLimit",
      quoted + ";r=" + remaining + ";t=" + std::to_string(ceil<seconds>(verdict.reset).count()));
}

}  // namespace

void AddLimitHeaders(const LimitVerdict& verdict, const std::string& name, Time now,
                     http::Response* response) {
  VisitFields(verdict, name, now, [&](const char* header, const std::string& value) {
    response->headers.push_back({header, value});
  });
}

void AppendLimitLines(const LimitVerdict& verdict, const std::string& name, Time now,
                      std::string* lines) {
  VisitFields(verdict, name, now, [&](const char* header, const std::string& value) {
    lines->append(header).append(": ").append(value).append("\r\n");
  });
}

namespace {

Problem Limited(const LimitVerdict& verdict, const std::string& code, const std::string& message) {
  const long seconds = WholeSeconds(verdict.retry_after);
  Problem problem = ProblemOf(429);
  problem.code = code;
  problem.message = message;
  problem.numbers.emplace_back("retry_after", seconds);
  problem.headers.push_back({"Retry-After", std::to_string(seconds)});
  return problem;
}

}  // namespace

Problem AddressLimited(const LimitVerdict& verdict, const std::string& message) {
  return Limited(verdict, "IP_RATE_LIMIT", message);
}

Problem RateLimited(const LimitVerdict& verdict) {
  return Limited(verdict, "RATE_LIMITED", "Rate limit exceeded");
}

}  // namespace gatehouse::gateway
