#include "services/gateway/limit_headers.h"

#include <algorithm>

namespace gatehouse::gateway {

using std::chrono::ceil;
using std::chrono::seconds;

long WholeSeconds(std::chrono::nanoseconds left) {
  return std::max<long>(static_cast<long>(ceil<seconds>(left).count()), 1);
}

void AddLimitHeaders(const LimitVerdict& verdict, const std::string& name, Time now,
                     http::Response* response) {
  if (verdict.limit == 0) return;
  const auto add = [&](const char* header, const std::string& value) {
    response->headers.push_back({header, value});
  };
  const std::string limit = std::to_string(verdict.limit);
  const std::string remaining = std::to_string(verdict.remaining);
  const auto full_time = ceil<seconds>((now + verdict.reset).time_since_epoch());
  add("X-RateLimit-Limit", limit);
  add("X-RateLimit-Remaining", remaining);
  add("X-RateLimit-Reset", std::to_string(full_time.count()));
  const std::string quoted = "\"" + name + "\"";
  add("RateLimit-Policy", quoted + ";q=" + limit + ";w=" + std::to_string(verdict.window.count()));
  add("RateLimit",
      quoted + ";r=" + remaining + ";t=" + std::to_string(ceil<seconds>(verdict.reset).count()));
}

Problem AddressLimited(const LimitVerdict& verdict, const std::string& message) {
  const long seconds = WholeSeconds(verdict.retry_after);
  Problem problem = ProblemOf(429);
  problem.code = "IP_RATE_LIMIT";
  problem.message = message;
  problem.numbers.emplace_back("retry_after", seconds);
  problem.headers.push_back({"Retry-After", std::to_string(seconds)});
  return problem;
}

}  // namespace gatehouse::gateway
