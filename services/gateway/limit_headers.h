// Spells what a limit has to say in header fields: the one place that knows the
// draft of the IETF. Counts nothing.
#pragma once

#include <string>

#include "libs/base/clock.h"
#include "libs/http/message.h"
#include "services/gateway/address_limiter.h"
#include "services/gateway/error_page.h"

namespace gatehouse::gateway {

// X-RateLimit-Limit, -Remaining and -Reset (seconds since 1970, when the bucket is
// full), and RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-09)
// for the policy `name`: q may come at once, and all of q has come back after w. None
// of them where there is no limit.
void AddLimitHeaders(const LimitVerdict& verdict, const std::string& name, Time now,
                     http::Response* response);

// The same as header lines.
void AppendLimitLines(const LimitVerdict& verdict, const std::string& name, Time now,
                      std::string* lines);

// What is left, in whole seconds; at least 1.
long WholeSeconds(std::chrono::nanoseconds left);

// 429 IP_RATE_LIMIT with Retry-After.
Problem AddressLimited(const LimitVerdict& verdict, const std::string& message);

// 429 RATE_LIMITED with Retry-After.
Problem RateLimited(const LimitVerdict& verdict);

}  // namespace gatehouse::gateway
