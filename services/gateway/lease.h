// What one gateway may let in of one bucket that all gateways share, between two
// answers of the store: tokens it has taken ahead, and those it has let in on credit.
// Rules only: the store is lease_store.h, threads are lease_keeper.h.
//
// One lease is a tenth of the burst, at least one token. Of it, the smaller half may
// be held ahead and the greater half be owed: what a gateway has let in differs from
// what the store has booked for it by at most one lease, and so all gateways together
// let in at most burst + rate × time + one lease each, however they are timed. (One
// that had to wait for the store counts from when the store booked it.)
#pragma once

#include "services/gateway/token_bucket.h"

namespace gatehouse::gateway {

// What the store is asked: to book `settle` tokens come what may (below 0: to take
// back), then to give up to `want`.
struct LeaseRequest {
  int settle = 0;
  int want = 0;
};

// What it says: how many of those that were wanted, and what the bucket has used then.
struct LeaseGrant {
  int granted = 0;
  TokenBucket::Units used = 0;
};

// Not thread-safe.
class Lease {
 public:
  // Tokens held ahead are good for this long.
  static constexpr std::chrono::seconds kLife{2};

  static int SizeOf(const BucketRate& rate);

  enum class Answer {
    kTaken,
    kRefused,
    kWait,  // Only the store knows: Apply tells of it.
  };
  Answer Take(const BucketRate& rate, SteadyTime now);

  // Lets one in that nobody is to wait for: booked later.
  void TakeAnyway(const BucketRate& rate, SteadyTime now);

  // Whether the store is to be asked, and is not being asked.
  bool NeedsStore() const;
  bool is_asking() const { return is_asking_; }
  LeaseRequest Ask(SteadyTime now);

  // The answer to what was asked last, and how those that wait fare: the first
  // `taken` of them are let in, the `refused` next are not, the others go on waiting.
  struct Outcome {
    int taken = 0;
    int refused = 0;
  };
  Outcome Apply(const LeaseGrant& grant, SteadyTime now);

  // Nothing is owed, held or awaited at `now`, and the bucket is full as far as known.
  bool IsIdle(SteadyTime now) const;

  // Of the shared bucket as far as this gateway knows, at the time of the last call;
  // what it holds ahead counts as left.
  LimitVerdict Verdict(bool is_allowed) const;

  int held() const { return held_; }
  const BucketRate& rate() const { return rate_; }

 private:
  int HeldMax() const { return SizeOf(rate_) / 2; }
  int OwedMax() const { return SizeOf(rate_) - HeldMax(); }
  void Renew(const BucketRate& rate, SteadyTime now);

  BucketRate rate_;
  TokenBucket bucket_;
  SteadyTime held_until_{};
  SteadyTime answer_time_{};
  int held_ = 0;
  int stale_ = 0;  // Held for too long: to be taken back.
  int owed_ = 0;   // Let in, and not told to the store.
  int told_ = 0;   // Owed, told, and not answered.
  int waiting_ = 0;
  int asked_ = 0;   // Of those that wait, they that the store knows of.
  int recent_ = 0;  // Let in since the store was asked last.
  bool is_asking_ = false;
};

}  // namespace gatehouse::gateway
