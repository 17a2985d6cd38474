// The rules of leases, and the promise of them all together: however the requests
// and answers of several gateways are timed, more than burst + rate × time + one lease
// each is never let in.
#include "services/gateway/lease.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace gatehouse::gateway {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Answer = Lease::Answer;

// What the script in Redis does.
class Store {
 public:
  explicit Store(const BucketRate& rate) : rate_(rate) {}

  LeaseGrant Book(const LeaseRequest& request, SteadyTime now) {
    bucket_.Refill(rate_, now);
    if (request.settle > 0) bucket_.Take(rate_, request.settle);
    if (request.settle < 0) bucket_.GiveBack(rate_, -request.settle);
    LeaseGrant grant;
    while (grant.granted < request.want && bucket_.Has(rate_)) {
      bucket_.Take(rate_);
      ++grant.granted;
    }
    // By way of the verdict: the units that are used.
    grant.used = TokenBucket::Units(bucket_.UntilFull(rate_).count()) * rate_.requests;
    return grant;
  }
  int Left(SteadyTime now) {
    bucket_.Refill(rate_, now);
    return bucket_.Left(rate_);
  }

 private:
  const BucketRate rate_;
  TokenBucket bucket_;
};

class LeaseTest : public ::testing::Test {
 protected:
  // Of `count` requests at `when`: how many get `answer`.
  int Ask(Answer answer, int count, SteadyTime when) {
    int fits = 0;
    for (int i = 0; i < count; ++i) fits += lease_.Take(rate_, when) == answer ? 1 : 0;
    return fits;
  }
  Lease::Outcome Settle(SteadyTime when) {
    return lease_.Apply(store_.Book(lease_.Ask(when), when), when);
  }

  const SteadyTime now_ = SteadyTime(seconds(1'000'000));
  const BucketRate rate_{.requests = 100, .burst = 200};  // A lease of 20.
  Store store_{rate_};
  Lease lease_;
};

TEST_F(LeaseTest, TheFirstAreLetInOnCreditAndTheNextWait) {
  EXPECT_FALSE(lease_.NeedsStore());
  EXPECT_EQ(Ask(Answer::kTaken, 10, now_), 10);
  EXPECT_EQ(Ask(Answer::kWait, 5, now_), 5);
  EXPECT_TRUE(lease_.NeedsStore());
  const Lease::Outcome outcome = Settle(now_);
  EXPECT_EQ(outcome.taken, 5);
  EXPECT_EQ(outcome.refused, 0);
  EXPECT_EQ(store_.Left(now_), 185) << "all of them are booked";
  EXPECT_EQ(lease_.held(), 0) << "nothing ahead before it is known to be needed";
}

TEST_F(LeaseTest, WhoIsBusyHoldsTokensAheadAndNobodyWaits) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Ask(Answer::kTaken, 8, now_ + milliseconds(100 * i)), 8);
    if (lease_.NeedsStore()) Settle(now_ + milliseconds(100 * i));
  }
  EXPECT_GT(lease_.held(), 0);
  EXPECT_LE(lease_.held(), 10) << "half a lease at most";
}

TEST_F(LeaseTest, WhenTheStoreIsEmptyAllAreRefusedUntilItsTime) {
  store_.Book({.settle = 200}, now_);
  EXPECT_EQ(Ask(Answer::kTaken, 10, now_), 10) << "on credit: nobody has told this one";
  EXPECT_EQ(Ask(Answer::kWait, 3, now_), 3);
  const LeaseRequest request = lease_.Ask(now_);
  EXPECT_EQ(Ask(Answer::kWait, 2, now_), 2) << "they come while it is being asked";
  const Lease::Outcome outcome = lease_.Apply(store_.Book(request, now_), now_);
  EXPECT_EQ(outcome.taken, 0);
  EXPECT_EQ(outcome.refused, 5);
  const LimitVerdict verdict = lease_.Verdict(false);
  EXPECT_EQ(verdict.retry_after, milliseconds(110)) << "ten owed, and one";
  EXPECT_EQ(Ask(Answer::kRefused, 5, now_ + milliseconds(109)), 5);
  EXPECT_FALSE(lease_.NeedsStore()) << "a refusal costs nothing";
  EXPECT_EQ(Ask(Answer::kTaken, 1, now_ + milliseconds(110)), 1);
}

TEST_F(LeaseTest, WhatIsHeldForTooLongGoesBack) {
  for (int i = 0; i < 3; ++i) {
    Ask(Answer::kTaken, 8, now_);
    if (lease_.NeedsStore()) Settle(now_);
  }
  const int held = lease_.held();
  ASSERT_GT(held, 0);
  const int left = store_.Left(now_ + milliseconds(100));
  const SteadyTime later = now_ + Lease::kLife;
  EXPECT_EQ(Ask(Answer::kTaken, 1, later), 1) << "on credit";
  const LeaseRequest request = lease_.Ask(later);
  EXPECT_EQ(request.settle, 1 - held);
  EXPECT_EQ(lease_.held(), 0);
  EXPECT_LE(left, 200);
}

TEST_F(LeaseTest, ALeaseIsATenthAndAtLeastOne) {
  EXPECT_EQ(Lease::SizeOf({.requests = 10, .burst = 20}), 2);
  EXPECT_EQ(Lease::SizeOf({.requests = 100, .burst = 200}), 20);
  EXPECT_EQ(Lease::SizeOf({.requests = 1, .burst = 1}), 1);
  EXPECT_EQ(Lease::SizeOf({.requests = 5, .burst = 19}), 1);
}

TEST_F(LeaseTest, IsIdleWhenNothingIsOwedAndTheBucketIsFull) {
  EXPECT_TRUE(lease_.IsIdle(now_));
  Ask(Answer::kTaken, 1, now_);
  EXPECT_FALSE(lease_.IsIdle(now_ + seconds(100))) << "it owes one";
  Settle(now_);
  EXPECT_FALSE(lease_.IsIdle(now_));
  EXPECT_TRUE(lease_.IsIdle(now_ + seconds(3)));
}

// Gateways against one store, with answers that take up to `lag`; asks at every
// moment whether what was let in so far keeps the promise.
class Simulation {
 public:
  Simulation(const BucketRate& rate, int gateways, unsigned seed)
      : rate_(rate), store_(rate), gateways_(gateways), random_(seed) {}

  void Run(SteadyTime now, microseconds step, microseconds lag, int steps, double busy) {
    for (int i = 0; i < steps; ++i) {
      now += step;
      for (Gateway& gateway : gateways_) {
        if (Chance(busy)) Request(gateway, now);
        Exchange(gateway, now, lag);
      }
    }
  }

  // The most that was let in, above burst + rate × time, in any span of time.
  double Excess() {
    std::sort(admitted_.begin(), admitted_.end());
    double excess = 0, lowest = 0;
    for (std::size_t i = 0; i < admitted_.size(); ++i) {
      // i tokens before this one, less what has come back since the first.
      const double back = std::chrono::duration<double>(admitted_[i] - admitted_[0]).count() *
                          rate_.requests / std::chrono::duration<double>(rate_.window).count();
      lowest = std::min(lowest, static_cast<double>(i) - back);
      excess = std::max(excess, static_cast<double>(i) + 1 - back - lowest - rate_.burst);
    }
    return excess;
  }
  std::size_t admitted() const { return admitted_.size(); }

 private:
  struct Gateway {
    Lease lease;
    bool is_booked = false;
    LeaseRequest request;
    LeaseGrant grant;
    SteadyTime book_time, answer_time;
  };

  bool Chance(double share) { return std::uniform_real_distribution<>(0, 1)(random_) < share; }

  void Request(Gateway& gateway, SteadyTime now) {
    if (gateway.lease.Take(rate_, now) == Answer::kTaken) admitted_.push_back(now);
  }

  void Exchange(Gateway& gateway, SteadyTime now, microseconds lag) {
    const auto some = [&] {
      return microseconds(std::uniform_int_distribution<std::int64_t>(0, lag.count())(random_));
    };
    if (gateway.lease.NeedsStore()) {
      gateway.request = gateway.lease.Ask(now);
      gateway.is_booked = false;
      gateway.book_time = now + some();
      gateway.answer_time = gateway.book_time + some();
    }
    if (!gateway.lease.is_asking()) return;
    if (!gateway.is_booked && now >= gateway.book_time) {
      gateway.grant = store_.Book(gateway.request, now);
      gateway.is_booked = true;
      gateway.book_time = now;
    }
    if (!gateway.is_booked || now < gateway.answer_time) return;
    const Lease::Outcome outcome = gateway.lease.Apply(gateway.grant, now);
    // Those that waited count from when the store booked them, not from when the
    // answer was there.
    admitted_.insert(admitted_.end(), static_cast<std::size_t>(outcome.taken), gateway.book_time);
  }

  const BucketRate rate_;
  Store store_;
  std::vector<Gateway> gateways_;
  std::mt19937 random_;
  std::vector<SteadyTime> admitted_;
};

TEST(LeasePromiseTest, HoldsForEveryTimingThatWasTried) {
  const SteadyTime now(seconds(1'000'000));
  for (unsigned seed = 0; seed < 60; ++seed) {
    const BucketRate rate{.requests = 10 + static_cast<int>(seed % 3) * 45,
                          .burst = 1 + static_cast<int>(seed * 7 % 210)};
    const int gateways = 1 + static_cast<int>(seed % 4);
    Simulation simulation(rate, gateways, seed);
    // Silence, floods, trickles, one behind the other.
    for (int phase = 0; phase < 6; ++phase) {
      const double busy = phase % 3 == 0 ? 1.0 : phase % 3 == 1 ? 0.02 : 0.3;
      simulation.Run(now + seconds(20 * phase), microseconds(500), milliseconds(seed % 2 ? 3 : 40),
                     4000, busy);
    }
    EXPECT_LE(simulation.Excess(), gateways * Lease::SizeOf(rate) + 0.01)
        << "seed " << seed << ", burst " << rate.burst;
    EXPECT_GE(simulation.admitted(), static_cast<std::size_t>(rate.burst)) << "and it is used";
  }
}

// A single client that asks as fast as it may gets what it may have.
TEST(LeasePromiseTest, NothingIsLostByLeasing) {
  const BucketRate rate{.requests = 50, .burst = 100};
  Simulation simulation(rate, 2, 1);
  simulation.Run(SteadyTime(seconds(1'000'000)), microseconds(500), milliseconds(2), 20'000, 1.0);
  EXPECT_GE(simulation.admitted(), 100u + 50 * 10 - 20) << "burst + rate × 10 s, less one lease";
}

}  // namespace
}  // namespace gatehouse::gateway
