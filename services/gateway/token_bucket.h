// A true token bucket, in whole numbers: how full it is, and what to tell of it. Pure;
// one bucket, not thread-safe. Who has which bucket is token_buckets.h.
#pragma once

#include <chrono>

#include "libs/base/clock.h"

namespace gatehouse::gateway {

// How fast a bucket fills, and what it holds.
struct BucketRate {
  int requests = 0;  // Per window. 0: not limited.
  std::chrono::nanoseconds window{std::chrono::seconds(1)};
  int burst = 0;  // That may come at once; at least 1.

  bool operator==(const BucketRate&) const = default;
};

// What a limit has to say about one request.
struct LimitVerdict {
  bool is_allowed = true;
  int limit = 0;      // Requests per second or window, as documents say it; 0: not limited.
  int quota = 0;      // That may come at once; 0: as `limit`.
  int remaining = 0;  // Requests that would be allowed now.
  std::chrono::seconds window{0};           // In which the whole quota comes back.
  std::chrono::nanoseconds retry_after{0};  // Until the next is allowed; when refused.
  std::chrono::nanoseconds reset{0};        // Until the bucket is full.
  // Neither yet: other gateways share the bucket, and the store is being asked.
  bool is_pending = false;
};

// Counts what has been taken and not come back. One token is as many units as its
// window has nanoseconds, and `requests` units come back each nanosecond: nothing is
// rounded, whatever the rate.
class TokenBucket {
 public:
  using Units = __int128;

  static Units TokenOf(const BucketRate& rate) { return rate.window.count(); }

  // Lets come back what has since the last time. An earlier `now` changes nothing.
  void Refill(const BucketRate& rate, SteadyTime now);

  // Of a bucket that is refilled. A bucket may owe, after its rate was lowered.
  bool Has(const BucketRate& rate) const { return used_ + TokenOf(rate) <= Capacity(rate); }
  int Left(const BucketRate& rate) const;
  void Take(const BucketRate& rate, int tokens = 1) { used_ += TokenOf(rate) * tokens; }
  void GiveBack(const BucketRate& rate, int tokens = 1);

  // What another place says of it at `now`.
  void Set(Units used, SteadyTime now);

  // Rounded up: never too early.
  std::chrono::nanoseconds UntilOne(const BucketRate& rate) const;
  std::chrono::nanoseconds UntilFull(const BucketRate& rate) const;

  // Allowed, as it is now; refused, with the time until it has one.
  LimitVerdict Verdict(const BucketRate& rate, bool is_allowed) const;

 private:
  static Units Capacity(const BucketRate& rate) { return TokenOf(rate) * rate.burst; }

  Units used_ = 0;
  SteadyTime time_{};  // Up to which it is refilled.
};

}  // namespace gatehouse::gateway
