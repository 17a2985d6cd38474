// What the gateway knows of revocations: the snapshot and deltas of auth's
// control stream, and how fresh they are. Holds no credential and no limit.
#pragma once

#include <atomic>
#include <cstdint>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "gatehouse/auth/v1/control.pb.h"
#include "libs/base/clock.h"
#include "services/gateway/identity.h"

namespace gatehouse::gateway {

// Whether an identity may be used.
enum class Standing {
  kGood,
  kOutdated,  // Something about its owner has changed since: look it up again.
  kRevoked,   // Dead for good.
};

// Thread-safe. A judgement made after Apply returned counts what was applied.
class ControlState {
 public:
  // Heartbeats come every 250 ms; a stream that is silent for longer is lost.
  static constexpr std::chrono::seconds kSilenceMax{5};

  // One message of the stream, arrived at `now`.
  void Apply(const auth::v1::ControlUpdate& update, SteadyTime now);

  // A token that this gateway itself has seen die.
  void Revoke(const std::string& token_id, SteadyTime now);

  // A snapshot has come, and something within the last 5 seconds.
  bool IsFresh(SteadyTime now) const;

  // The greatest sequence seen, and a counter of changes to what is known here.
  std::int64_t sequence() const { return sequence_.load(std::memory_order_acquire); }
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }

  Standing Judge(const Identity& identity) const;

 private:
  // A token is refused by auth once its revocation is committed, so that an entry
  // only has to outlive look-ups in flight, caches and signed tokens.
  static constexpr std::chrono::hours kRevocationLife{25};

  struct Mark {
    std::int64_t epoch = 0;
    std::int64_t sequence = 0;  // At which it was heard of.
  };

  void AddRevocation(const std::string& token_id, SteadyTime now);
  bool IsPast(const std::string& subject, const Identity& identity, bool users_own) const;

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Mark> epochs_;             // guarded by mutex_
  std::unordered_map<std::string, SteadyTime> revocations_;  // guarded by mutex_
  std::size_t prune_at_ = 1024;                              // guarded by mutex_
  std::atomic<std::int64_t> sequence_{0};
  std::atomic<std::uint64_t> changes_{0};  // 0: no snapshot yet
  std::atomic<SteadyTime::rep> heard_{0};
};

}  // namespace gatehouse::gateway
