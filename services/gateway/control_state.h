// What the gateway knows of revocations, changed rights and signing keys: the
// snapshot and deltas of auth's control stream, and how fresh they are. Holds no
// credential and no limit.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "gatehouse/auth/v1/control.pb.h"
#include "libs/base/clock.h"
#include "libs/token/jwt.h"
#include "services/gateway/identity.h"

namespace gatehouse::gateway {

// Whether an identity may be used.
enum class Standing {
  kGood,
  kOutdated,  // Something about its owner has changed since: look it up again.
  kRevoked,   // Dead for good.
};

// The public keys of access tokens.
struct PublicKeys {
  token::KeySet set;
  std::string jwks_json = R"({"keys":[]})";  // As auth spells it, for those who ask.
  std::uint64_t version = 0;                 // Of this set here: another set, another number.
};

// Thread-safe. A judgement made after Apply returned counts what was applied.
class ControlState {
 public:
  // Heartbeats come every 250 ms; a stream that is silent for longer is lost.
  static constexpr std::chrono::seconds kSilenceMax{5};

  // One message of the stream, arrived at `now`.
  void Apply(const auth::v1::ControlUpdate& update, SteadyTime now);

  // A credential that this gateway itself has seen die.
  void Revoke(const std::string& token_id, SteadyTime now);
  // A revocation of "user/<uuid>", "tenant/<id>" or "global" that this gateway itself
  // has made, ahead of the stream; the sequence known stays what was heard.
  void RaiseEpoch(const std::string& subject, std::int64_t epoch, SteadyTime now);

  // A snapshot has come, and something within the last 5 seconds.
  bool IsFresh(SteadyTime now) const;

  // The greatest sequence seen, and a counter of changes to what is known here.
  std::int64_t sequence() const { return sequence_.load(std::memory_order_acquire); }
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }

  Standing Judge(const Identity& identity) const;

  // The greatest epoch known of "user/<uuid>", "tenant/<id>" or "global"; 0: none.
  std::int64_t EpochOf(const std::string& subject) const;

  // Whether a signed token that is otherwise good can only be refused: its session
  // is revoked, or its owner's, their tenant's or everybody's epoch is greater.
  bool IsDead(const token::Claims& claims) const;

  // Never null; without keys until auth has sent some.
  std::shared_ptr<const PublicKeys> keys() const;

 private:
  // Auth itself refuses what it has revoked, so that what is known here only has to
  // outlive look-ups in flight, caches and signed tokens.
  static constexpr std::chrono::hours kLife{25};
  static constexpr std::size_t kPruneAtMin = 1024;

  struct Mark {
    std::int64_t epoch = 0;     // 0: changed, but nothing revoked.
    std::int64_t sequence = 0;  // At which it was heard of last.
    SteadyTime heard;
  };
  template <typename Value>
  struct Known {
    std::unordered_map<std::string, Value> entries;
    std::size_t prune_at = kPruneAtMin;
  };

  void Begin(const auth::v1::ControlUpdate& update, SteadyTime now);
  void AddMark(const std::string& subject, const Mark& mark);
  void AddRevocation(const std::string& token_id, SteadyTime now);
  bool SetKeys(const auth::v1::KeySet& keys);
  bool HasChanged(const std::string& subject, std::int64_t since) const;
  std::int64_t FindEpoch(const std::string& subject) const;

  mutable std::shared_mutex mutex_;
  Known<Mark> marks_;              // guarded by mutex_
  Known<SteadyTime> revocations_;  // guarded by mutex_
  std::int64_t base_ = 0;          // guarded by mutex_; the sequence of the last snapshot
  std::shared_ptr<const PublicKeys> keys_ = std::make_shared<PublicKeys>();  // guarded by mutex_
  std::atomic<std::int64_t> sequence_{0};
  std::atomic<std::uint64_t> changes_{0};  // 0: no snapshot yet
  std::atomic<SteadyTime::rep> heard_{0};
};

}  // namespace gatehouse::gateway
