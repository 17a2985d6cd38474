#include "services/gateway/token_bucket.h"

#include <algorithm>
#include <limits>

namespace gatehouse::gateway {
namespace {

using std::chrono::nanoseconds;

// How long `units` take to come back.
nanoseconds TimeOf(TokenBucket::Units units, const BucketRate& rate) {
  if (units <= 0) return nanoseconds(0);
  const TokenBucket::Units count = (units + rate.requests - 1) / rate.requests;
  return nanoseconds(static_cast<nanoseconds::rep>(
      std::min<TokenBucket::Units>(count, std::numeric_limits<nanoseconds::rep>::max() / 4)));
}

}  // namespace

void TokenBucket::Refill(const BucketRate& rate, SteadyTime now) {
  if (now <= time_) return;
  const Units back = Units(nanoseconds(now - time_).count()) * rate.requests;
  used_ = std::max<Units>(used_ - back, 0);
  time_ = now;
}

int TokenBucket::Left(const BucketRate& rate) const {
  const Units free = Capacity(rate) - used_;
  return free <= 0 ? 0 : static_cast<int>(free / TokenOf(rate));
}

void TokenBucket::GiveBack(const BucketRate& rate, int tokens) {
  used_ = std::max<Units>(used_ - TokenOf(rate) * tokens, 0);
}

void TokenBucket::Set(Units used, SteadyTime now) {
  used_ = used;
  time_ = now;
}

nanoseconds TokenBucket::UntilOne(const BucketRate& rate) const {
  return TimeOf(used_ + TokenOf(rate) - Capacity(rate), rate);
}

nanoseconds TokenBucket::UntilFull(const BucketRate& rate) const { return TimeOf(used_, rate); }

LimitVerdict TokenBucket::Verdict(const BucketRate& rate, bool is_allowed) const {
  LimitVerdict verdict;
  verdict.is_allowed = is_allowed;
  verdict.limit = rate.requests;
  verdict.quota = rate.burst;
  verdict.remaining = is_allowed ? Left(rate) : 0;
  verdict.window = std::chrono::ceil<std::chrono::seconds>(TimeOf(Capacity(rate), rate));
  if (!is_allowed) verdict.retry_after = UntilOne(rate);
  verdict.reset = UntilFull(rate);
  return verdict;
}

}  // namespace gatehouse::gateway
