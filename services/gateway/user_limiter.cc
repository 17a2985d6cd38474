#include "services/gateway/user_limiter.h"

#include <algorithm>

namespace gatehouse::gateway {

struct UserLimiter::Impl {
  explicit Impl(LeaseKeeper* leases)
      : buckets(leases, metrics::GetCounter("gatehouse_gateway_user_limited_total",
                                            "Requests refused by the limit per user.")) {}

  TokenBuckets buckets;
};

UserLimiter::UserLimiter(LeaseKeeper* leases) : impl_(std::make_unique<Impl>(leases)) {}
UserLimiter::~UserLimiter() = default;

LimitVerdict UserLimiter::Take(const std::string& key, int per_second, int burst, SteadyTime now,
                               const LaterVerdict& later) {
  const BucketRate rate{.requests = per_second, .burst = std::max(burst, 1)};
  return impl_->buckets.Take(key, rate, now, later);
}

void UserLimiter::Clear() { impl_->buckets.Clear(); }

}  // namespace gatehouse::gateway
