// Spells what a limit has to say in header fields: the one place that knows the
// draft of the IETF. Counts nothing.
#pragma once

#include <string>

#include "libs/base/clock.h"
#include "libs/http/message.h"
#include "services/gateway/address_limiter.h"
#include "services/gateway/error_page.h"

namespace gatehouse::gateway {

// X-RateLimit-Limit, -Remaining and -Reset (seconds since 1970), and RateLimit-Policy
// and RateLimit (draft-ietf-httpapi-ratelimit-headers-09) for the policy `name`. None
// of them where there is no limit.
void AddLimitHeaders(const LimitVerdict& verdict, const std::string& name, Time now,
                     http::Response* response);

// What is left, in whole seconds; at least 1.
long WholeSeconds(std::chrono::nanoseconds left);

// 429 IP_RATE_LIMIT with Retry-After.
Problem AddressLimited(const LimitVerdict& verdict, const std::string& message);

}  // namespace gatehouse::gateway
