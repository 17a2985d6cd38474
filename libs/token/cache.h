// Verified credentials by digest: a sharded, bounded map with an end of life per
// entry. Holds what was true when it was put; who uses it checks revocation on
// every hit and again after every insert (a look-up in flight may be older than
// a revocation). Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "libs/base/clock.h"

namespace gatehouse::token {

template <typename Value>
class Cache {
 public:
  explicit Cache(std::size_t entries_max) { SetMax(entries_max); }

  // Another bound from now on; a shard that has more is emptied by the next Put.
  void SetMax(std::size_t entries_max) { shard_max_ = entries_max / kShards + 1; }

  // The value, or nullptr when absent or past its end at `now`.
  std::shared_ptr<const Value> Get(const std::string& digest, Time now) const {
    const Shard& shard = ShardOf(digest);
    std::shared_lock lock(shard.mutex);
    auto found = shard.entries.find(digest);
    if (found == shard.entries.end() || found->second.end <= now) return nullptr;
    return found->second.value;
  }

  void Put(const std::string& digest, std::shared_ptr<const Value> value, Time end) {
    Shard& shard = ShardOf(digest);
    std::unique_lock lock(shard.mutex);
    // A full shard is emptied: cheap, rare, and only costs look-ups.
    if (shard.entries.size() >= shard_max_.load(std::memory_order_relaxed)) shard.entries.clear();
    shard.entries[digest] = {std::move(value), end};
  }

  void Erase(const std::string& digest) {
    Shard& shard = ShardOf(digest);
    std::unique_lock lock(shard.mutex);
    shard.entries.erase(digest);
  }

  void Clear() {
    for (Shard& shard : shards_) {
      std::unique_lock lock(shard.mutex);
      shard.entries.clear();
    }
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct Entry {
    std::shared_ptr<const Value> value;
    Time end;
  };
  struct Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, Entry> entries;
  };
  const Shard& ShardOf(const std::string& digest) const {
    return shards_[digest.empty() ? 0 : static_cast<unsigned char>(digest[0]) % kShards];
  }
  Shard& ShardOf(const std::string& digest) {
    return const_cast<Shard&>(std::as_const(*this).ShardOf(digest));
  }

  std::atomic<std::size_t> shard_max_;
  std::array<Shard, kShards> shards_;
};

}  // namespace gatehouse::token
