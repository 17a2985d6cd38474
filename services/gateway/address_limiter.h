// Counts requests per client address: a token bucket for each /32 of IPv4 and /64 of
// IPv6. Which requests are counted is the caller's choice. Not the limit per user, and
// not the delay per account (auth's).
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "libs/base/clock.h"
#include "services/gateway/token_buckets.h"

namespace gatehouse::gateway {

// Thread-safe. Bounded in memory, as TokenBuckets is.
class AddressLimiter {
 public:
  static constexpr std::size_t kBucketsMax = TokenBuckets::kBucketsMax;

  // `requests` per `window`, all of which may come at once. 0: no limit. In this
  // process; with `leases`, which must outlive this or be stopped first, in buckets
  // that all gateways share by the name `shared_name`.
  AddressLimiter(int requests, std::chrono::seconds window, LeaseKeeper* leases = nullptr,
                 std::string shared_name = "");

  // Another limit from now on. Every address begins anew when it is not the same.
  void Configure(int requests, std::chrono::seconds window);

  // Takes one from the bucket of `client_address`; a refusal costs nothing. `later`: as
  // TokenBuckets::Take says; without it this process alone counts.
  LimitVerdict Take(const std::string& client_address, SteadyTime now,
                    const LaterVerdict& later = nullptr);

  // What Take would say now in this process, without taking.
  LimitVerdict Peek(const std::string& client_address, SteadyTime now);

  // Every bucket of this process is full again.
  void Clear() { buckets_.Clear(); }

  // Buckets that are kept at present.
  std::size_t size() { return buckets_.size(); }

 private:
  BucketRate Rate() const;
  std::string KeyOf(const std::string& client_address, const BucketRate& rate) const;

  const std::string shared_name_;
  // Requests and the window's seconds, in one: read together by every request.
  std::atomic<std::uint64_t> limit_;
  TokenBuckets buckets_;
};

}  // namespace gatehouse::gateway
