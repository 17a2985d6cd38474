#include "services/gateway/token_buckets.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>

#include "services/gateway/lease_keeper.h"

namespace gatehouse::gateway {
namespace {

constexpr std::size_t kShards = 16;

// What both buckets have to say: the narrower counts.
LimitVerdict Narrower(const LimitVerdict& own, const LimitVerdict& shared) {
  LimitVerdict verdict = own;
  verdict.is_allowed = own.is_allowed && shared.is_allowed;
  verdict.is_pending = false;
  verdict.remaining = std::min(own.remaining, shared.remaining);
  verdict.retry_after = std::max(own.retry_after, shared.retry_after);
  verdict.reset = std::max(own.reset, shared.reset);
  return verdict;
}

}  // namespace

class TokenBuckets::Table {
 public:
  LimitVerdict Take(const std::string& key, const BucketRate& rate, SteadyTime now) {
    Shard& shard = ShardOf(key);
    std::lock_guard lock(shard.mutex);
    if (shard.entries.size() >= shard.prune_at) Prune(shard, now);
    Entry& entry = shard.entries[key];
    entry.bucket.Refill(rate, now);
    const bool is_allowed = entry.bucket.Has(rate);
    if (is_allowed) entry.bucket.Take(rate);
    entry.full_at = now + entry.bucket.UntilFull(rate);
    return entry.bucket.Verdict(rate, is_allowed);
  }

  LimitVerdict Peek(const std::string& key, const BucketRate& rate, SteadyTime now) {
    Shard& shard = ShardOf(key);
    std::lock_guard lock(shard.mutex);
    const auto found = shard.entries.find(key);
    TokenBucket bucket = found == shard.entries.end() ? TokenBucket() : found->second.bucket;
    bucket.Refill(rate, now);
    return bucket.Verdict(rate, bucket.Has(rate));
  }

  void GiveBack(const std::string& key, const BucketRate& rate) {
    Shard& shard = ShardOf(key);
    std::lock_guard lock(shard.mutex);
    const auto found = shard.entries.find(key);
    if (found != shard.entries.end()) found->second.bucket.GiveBack(rate);
  }

  void Clear() {
    for (Shard& shard : shards_) {
      std::lock_guard lock(shard.mutex);
      shard.entries.clear();
    }
  }

  std::size_t size() {
    std::size_t count = 0;
    for (Shard& shard : shards_) {
      std::lock_guard lock(shard.mutex);
      count += shard.entries.size();
    }
    return count;
  }

 private:
  struct Entry {
    TokenBucket bucket;
    SteadyTime full_at{};
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, Entry> entries;  // guarded by mutex
    std::size_t prune_at = 1024;                     // guarded by mutex
  };

  // Without its bucket a key starts with a full one: what is dropped here before its
  // time forgives, and needs as many keys as there are buckets.
  static void Prune(Shard& shard, SteadyTime now) {
    constexpr std::size_t kMax = kBucketsMax / kShards;
    std::erase_if(shard.entries, [now](const auto& entry) { return entry.second.full_at <= now; });
    if (shard.entries.size() >= kMax) shard.entries.clear();
    shard.prune_at = std::clamp<std::size_t>(shard.entries.size() * 2, 1024, kMax);
  }

  Shard& ShardOf(const std::string& key) {
    return shards_[std::hash<std::string>()(key) % kShards];
  }

  std::array<Shard, kShards> shards_;
};

TokenBuckets::TokenBuckets(LeaseKeeper* leases, metrics::Counter& refused)
    : leases_(leases), refused_(refused), table_(std::make_shared<Table>()) {}

LimitVerdict TokenBuckets::Take(const std::string& key, const BucketRate& rate, SteadyTime now,
                                const LaterVerdict& later) {
  if (rate.requests <= 0 || rate.burst <= 0) return {};
  const LimitVerdict own = table_->Take(key, rate, now);
  if (!own.is_allowed) {
    refused_.Increment();
    return own;
  }
  if (leases_ == nullptr || !later) return own;
  const auto settle = [table = table_, key, rate, own,
                       &refused = refused_](const LeaseKeeper::Taking& taking) {
    switch (taking.outcome) {
      case LeaseKeeper::Outcome::kTaken:
        return Narrower(own, taking.verdict);
      case LeaseKeeper::Outcome::kRefused:
        table->GiveBack(key, rate);
        refused.Increment();
        return Narrower(own, taking.verdict);
      case LeaseKeeper::Outcome::kLater:
      case LeaseKeeper::Outcome::kLocal:
        return own;
    }
    return own;
  };
  const auto taking =
      leases_->Take(key, rate, now,
                    [settle, later](const LeaseKeeper::Taking& answer) { later(settle(answer)); });
  if (taking.outcome != LeaseKeeper::Outcome::kLater) return settle(taking);
  LimitVerdict pending = own;
  pending.is_pending = true;
  return pending;
}

LimitVerdict TokenBuckets::Peek(const std::string& key, const BucketRate& rate, SteadyTime now) {
  if (rate.requests <= 0 || rate.burst <= 0) return {};
  return table_->Peek(key, rate, now);
}

void TokenBuckets::Clear() { table_->Clear(); }

std::size_t TokenBuckets::size() { return table_->size(); }

}  // namespace gatehouse::gateway
