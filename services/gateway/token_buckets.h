// Token buckets by key, in this process, and, where gateways share them through Redis,
// in the shared one, too: a request is let in when both have a token. Knows neither
// users nor addresses.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "libs/metrics/metrics.h"
#include "services/gateway/token_bucket.h"

namespace gatehouse::gateway {

class LeaseKeeper;

// What a limit says when it could not say so at once.
using LaterVerdict = std::function<void(const LimitVerdict&)>;

// Thread-safe. Bounded in memory: full buckets are dropped, and those of a shard
// whose number is too great all the same.
class TokenBuckets {
 public:
  static constexpr std::size_t kBucketsMax = 262144;

  // `leases` null: this process alone counts. It must outlive this or be stopped first.
  TokenBuckets(LeaseKeeper* leases, metrics::Counter& refused);

  // Takes one token; a refusal costs nothing. With `later`, the verdict may be
  // pending: `later` is then called, once, on another thread, maybe before this
  // returns; it must hand over and return. Without, this process alone counts.
  LimitVerdict Take(const std::string& key, const BucketRate& rate, SteadyTime now,
                    const LaterVerdict& later = nullptr);

  // What Take would say now in this process, without taking.
  LimitVerdict Peek(const std::string& key, const BucketRate& rate, SteadyTime now);

  // Every bucket of this process is full again.
  void Clear();

  // Buckets that are kept at present.
  std::size_t size();

 private:
  class Table;

  LeaseKeeper* const leases_;
  metrics::Counter& refused_;
  const std::shared_ptr<Table> table_;  // Answers of the keeper may come after this.
};

}  // namespace gatehouse::gateway
