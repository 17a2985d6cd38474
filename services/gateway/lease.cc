#include "services/gateway/lease.h"

#include <algorithm>

namespace gatehouse::gateway {

int Lease::SizeOf(const BucketRate& rate) { return std::max(rate.burst / 10, 1); }

void Lease::Renew(const BucketRate& rate, SteadyTime now) {
  rate_ = rate;
  bucket_.Refill(rate_, now);
  if (held_ > 0 && now >= held_until_) {
    stale_ += held_;
    held_ = 0;
  }
}

Lease::Answer Lease::Take(const BucketRate& rate, SteadyTime now) {
  Renew(rate, now);
  if (held_ > 0) {
    --held_;
    ++recent_;
    return Answer::kTaken;
  }
  if (!bucket_.Has(rate_)) return Answer::kRefused;
  if (waiting_ == 0 && owed_ + told_ < OwedMax()) {
    TakeAnyway(rate, now);
    return Answer::kTaken;
  }
  ++waiting_;
  return Answer::kWait;
}

void Lease::TakeAnyway(const BucketRate& rate, SteadyTime now) {
  Renew(rate, now);
  bucket_.Take(rate_);
  ++owed_;
  ++recent_;
}

bool Lease::NeedsStore() const {
  if (is_asking_) return false;
  if (owed_ > 0 || waiting_ > asked_) return true;
  const bool is_low = HeldMax() > 0 && held_ * 2 <= HeldMax();
  return is_low && recent_ > 0 && bucket_.Has(rate_);
}

LeaseRequest Lease::Ask(SteadyTime now) {
  Renew(rate_, now);
  // As much ahead as was needed since the last answer, if that was not long ago.
  const bool is_busy = now - answer_time_ < kLife;
  const int ahead = is_busy ? std::clamp(recent_ - held_, 0, HeldMax() - held_) : 0;
  const LeaseRequest request{.settle = owed_ - stale_, .want = waiting_ + ahead};
  told_ = owed_;
  owed_ = stale_ = recent_ = 0;
  asked_ = waiting_;
  is_asking_ = true;
  return request;
}

Lease::Outcome Lease::Apply(const LeaseGrant& grant, SteadyTime now) {
  Renew(rate_, now);
  bucket_.Set(grant.used, now);
  bucket_.Take(rate_, owed_);
  answer_time_ = now;
  is_asking_ = false;
  told_ = 0;
  Outcome outcome{.taken = std::min(grant.granted, asked_)};
  recent_ += outcome.taken;
  if (grant.granted > asked_) {
    if (held_ == 0) held_until_ = now + kLife;
    held_ += grant.granted - asked_;
  }
  waiting_ -= outcome.taken;
  // Fewer than there were to serve: it is empty, for those who came meanwhile, too.
  if (outcome.taken < asked_) {
    outcome.refused = waiting_;
    waiting_ = 0;
  }
  asked_ = 0;
  return outcome;
}

LimitVerdict Lease::Verdict(bool is_allowed) const {
  LimitVerdict verdict = bucket_.Verdict(rate_, is_allowed);
  if (is_allowed) verdict.remaining = std::min(verdict.remaining + held_, rate_.burst);
  return verdict;
}

bool Lease::IsIdle(SteadyTime now) const {
  if (is_asking_ || owed_ > 0 || waiting_ > 0) return false;
  if (held_ > 0 && now < held_until_) return false;
  TokenBucket bucket = bucket_;
  bucket.Refill(rate_, now);
  return bucket.UntilFull(rate_) == std::chrono::nanoseconds(0);
}

}  // namespace gatehouse::gateway
