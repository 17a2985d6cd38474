#include "services/gateway/address_limiter.h"

#include <algorithm>
#include <functional>

#include "services/gateway/client_address.h"

namespace gatehouse::gateway {

using std::chrono::nanoseconds;

AddressLimiter::AddressLimiter(int requests, std::chrono::seconds window)
    : requests_(requests),
      window_(window),
      cost_(nanoseconds(window) / std::max(requests, 1)),
      refused_(metrics::GetCounter("gatehouse_gateway_address_limited_total",
                                   "Requests refused by the limit per client address.")) {}

LimitVerdict AddressLimiter::Take(const std::string& client_address, SteadyTime now) {
  return Judge(client_address, now, /*takes=*/true);
}

LimitVerdict AddressLimiter::Peek(const std::string& client_address, SteadyTime now) {
  return Judge(client_address, now, /*takes=*/false);
}

LimitVerdict AddressLimiter::Judge(const std::string& client_address, SteadyTime now, bool takes) {
  if (requests_ == 0) return {};
  const std::string network = NetworkOf(client_address);
  Shard& shard = shards_[std::hash<std::string>()(network) % kShards];
  const nanoseconds capacity = cost_ * requests_;
  LimitVerdict verdict{.limit = requests_, .window = window_};
  nanoseconds used;  // Of the capacity, this request included.
  {
    std::lock_guard lock(shard.mutex);
    if (shard.full_at.size() >= shard.prune_at) Prune(shard, now);
    SteadyTime& full_at = shard.full_at[network];
    used = std::max<nanoseconds>(full_at - now, nanoseconds(0)) + cost_;
    verdict.is_allowed = used <= capacity;
    if (verdict.is_allowed && takes) full_at = now + used;
  }
  if (!verdict.is_allowed) {
    refused_.Increment();
    verdict.retry_after = used - capacity;
    used -= cost_;
  }
  verdict.reset = used;
  verdict.remaining = static_cast<int>((capacity - used) / cost_);
  return verdict;
}

// Without its bucket an address starts with a full one: what is dropped here
// before its time forgives, and needs as many networks as there are buckets.
void AddressLimiter::Prune(Shard& shard, SteadyTime now) {
  constexpr std::size_t kMax = kBucketsMax / kShards;
  std::erase_if(shard.full_at, [now](const auto& bucket) { return bucket.second <= now; });
  if (shard.full_at.size() >= kMax) shard.full_at.clear();
  shard.prune_at = std::clamp<std::size_t>(shard.full_at.size() * 2, 1024, kMax);
}

std::size_t AddressLimiter::size() {
  std::size_t count = 0;
  for (Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    count += shard.full_at.size();
  }
  return count;
}

}  // namespace gatehouse::gateway
