// Keeps this gateway's leases of the buckets that all gateways share in Redis: one
// thread books what was let in and fetches what is needed, in batches, so that no
// request waits for Redis but one whose lease is used up, and that for one answer only.
// Without Redis (down, or late by more than 200 ms) it answers kLocal at once, says so
// once, and comes back by itself. Counts nothing of this gateway's own
// (token_buckets.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "services/gateway/lease.h"

namespace gatehouse::gateway {

// Thread-safe.
class LeaseKeeper {
 public:
  static constexpr std::chrono::milliseconds kTimeout{200};
  // While an answer is outstanding for longer than this, nobody begins to wait: this
  // process's buckets decide, and what they let in is booked when Redis answers.
  static constexpr std::chrono::milliseconds kPatience{100};
  static constexpr std::size_t kLeasesMax = 262144;

  enum class Outcome {
    kTaken,
    kRefused,
    kLater,  // `later` will be called.
    kLocal,  // The store cannot be asked: count in this process alone.
  };
  struct Taking {
    Outcome outcome = Outcome::kLocal;
    LimitVerdict verdict = {};  // Of the shared bucket; unless kLater or kLocal.
  };
  using Later = std::function<void(const Taking&)>;

  // `redis_url`: "" or one that redis::ParseUrl takes; else it aborts. `ca_file`: whom
  // to trust for rediss://; "": the system's authorities. Only keepers of the same
  // `name_space` share. Starts its thread.
  explicit LeaseKeeper(const std::string& redis_url, const std::string& ca_file = "",
                       const std::string& name_space = "gatehouse");
  // As Stop.
  ~LeaseKeeper();

  // Takes one token of the shared bucket `key`. `later` is called once, and only after
  // kLater, on the keeper's thread or on that of who calls Clear, maybe before this
  // returns: it must hand over and return.
  Taking Take(const std::string& key, const BucketRate& rate, SteadyTime now, const Later& later);

  // Every shared bucket is full again, once for all keepers that are told of the same
  // flush. `sequence`: its number in auth's count, greater or smaller than that of the one
  // before; 0: auth knows of none lately. `head`: where that count stands. The same as
  // last time changes nothing.
  void Clear(std::int64_t sequence, std::int64_t head);

  // Whether Redis answered when it was asked last.
  bool IsUp() const;

  // Calls what is still waiting never; from now on everything is kLocal. Idempotent.
  void Stop();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::gateway
