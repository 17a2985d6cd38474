// Counts requests per user and class of routes: a true token bucket (GCRA) whose
// rate and burst come with each request. In this process; with Redis the tokens are
// leased from a bucket that all gateways share (lease_keeper.h). Not the limit per
// address.
#pragma once

#include <memory>
#include <string>

#include "libs/base/clock.h"
#include "services/gateway/token_buckets.h"

namespace gatehouse::gateway {

class LeaseKeeper;

// Thread-safe. Bounded in memory, as TokenBuckets is.
class UserLimiter {
 public:
  // `leases` null: this process alone counts. It must outlive this or be stopped first.
  explicit UserLimiter(LeaseKeeper* leases);
  ~UserLimiter();

  // Takes one token of `key` (a class and a user id). A refusal costs nothing, and its
  // retry_after is never too early. `per_second` 0: not limited. `later`: as
  // TokenBuckets::Take says; without it this process alone counts.
  LimitVerdict Take(const std::string& key, int per_second, int burst, SteadyTime now,
                    const LaterVerdict& later = nullptr);

  // Every bucket of this process is full again.
  void Clear();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::gateway
