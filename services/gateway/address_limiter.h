// Counts what takes a password, passkey or mailed code per client address: a token
// bucket for each /32 of IPv4 and /64 of IPv6, in this process. Not the limit per
// user, and not the delay per account (auth's).
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>

#include "libs/base/clock.h"
#include "libs/metrics/metrics.h"

namespace gatehouse::gateway {

// What a limit has to say about one request.
struct LimitVerdict {
  bool is_allowed = true;
  int limit = 0;      // 0: not limited.
  int remaining = 0;  // Requests that would be allowed now.
  std::chrono::seconds window{0};
  std::chrono::nanoseconds retry_after{0};  // Until the next is allowed; when refused.
  std::chrono::nanoseconds reset{0};        // Until the bucket is full.
};

// Thread-safe. Bounded in memory: full buckets are dropped, and those of a shard
// whose number is too great all the same.
class AddressLimiter {
 public:
  static constexpr std::size_t kBucketsMax = 262144;

  // `requests` per `window`, all of which may come at once. 0: no limit.
  AddressLimiter(int requests, std::chrono::seconds window);

  // Takes one from the bucket of `client_address`; a refusal costs nothing.
  LimitVerdict Take(const std::string& client_address, SteadyTime now);

  // What Take would say now, without taking.
  LimitVerdict Peek(const std::string& client_address, SteadyTime now);

  // Buckets that are kept at present.
  std::size_t size();

 private:
  struct Shard {
    std::mutex mutex;
    // By network: when its bucket would be full again (GCRA).
    std::unordered_map<std::string, SteadyTime> full_at;  // guarded by mutex
    std::size_t prune_at = 1024;                          // guarded by mutex
  };
  static constexpr std::size_t kShards = 16;

  static void Prune(Shard& shard, SteadyTime now);
  LimitVerdict Judge(const std::string& client_address, SteadyTime now, bool takes);

  const int requests_;
  const std::chrono::seconds window_;
  const std::chrono::nanoseconds cost_;  // Of one request.
  metrics::Counter& refused_;
  std::array<Shard, kShards> shards_;
};

}  // namespace gatehouse::gateway
