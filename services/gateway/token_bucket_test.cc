// A bucket in exact numbers, and how both families of headers tell of it.
#include "services/gateway/token_bucket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "services/gateway/limit_headers.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

class TokenBucketTest : public ::testing::Test {
 protected:
  // How many of `count` requests at `when` it has a token for; takes them.
  int Take(const BucketRate& rate, int count, SteadyTime when) {
    int taken = 0;
    bucket_.Refill(rate, when);
    for (int i = 0; i < count && bucket_.Has(rate); ++i, ++taken) bucket_.Take(rate);
    return taken;
  }

  const SteadyTime now_ = SteadyTime(seconds(1'000'000));
  TokenBucket bucket_;
};

TEST_F(TokenBucketTest, HoldsItsBurstAndFillsEvenly) {
  const BucketRate rate{.requests = 10, .burst = 20};
  EXPECT_EQ(Take(rate, 100, now_), 20);
  EXPECT_EQ(Take(rate, 100, now_ + milliseconds(99)), 0);
  EXPECT_EQ(Take(rate, 100, now_ + milliseconds(100)), 1);
  EXPECT_EQ(Take(rate, 100, now_ + milliseconds(1100)), 10);
  EXPECT_EQ(Take(rate, 100, now_ + seconds(100)), 20);
}

TEST_F(TokenBucketTest, ARateThatDividesNothingLosesNothing) {
  const BucketRate rate{.requests = 7, .burst = 1};
  EXPECT_EQ(Take(rate, 2, now_), 1);
  int taken = 0;
  // Each nanosecond around the moment at which a token comes back.
  for (std::int64_t i = 1; i <= 70; ++i) {
    const std::int64_t due = (i * 1'000'000'000 + 6) / 7;
    bucket_ = TokenBucket();
    EXPECT_EQ(Take({.requests = 7, .burst = 100}, 100, now_), 100);
    taken = Take({.requests = 7, .burst = 100}, 100, now_ + nanoseconds(due - 1));
    EXPECT_EQ(taken, i - 1);
    EXPECT_EQ(Take({.requests = 7, .burst = 100}, 100, now_ + nanoseconds(due)), 1);
  }
}

TEST_F(TokenBucketTest, TheWaitIsExact) {
  for (const BucketRate& rate :
       {BucketRate{.requests = 10, .burst = 20}, BucketRate{.requests = 3, .burst = 1},
        BucketRate{.requests = 999'983, .burst = 5},
        BucketRate{.requests = 5, .window = seconds(86'400), .burst = 5},
        BucketRate{.requests = 1'000'000, .window = seconds(86'400), .burst = 1'000'000}}) {
    bucket_ = TokenBucket();
    Take(rate, rate.burst, now_);
    const nanoseconds wait = bucket_.UntilOne(rate);
    TokenBucket early = bucket_;
    early.Refill(rate, now_ + wait - nanoseconds(1));
    EXPECT_FALSE(early.Has(rate)) << rate.requests;
    TokenBucket due = bucket_;
    due.Refill(rate, now_ + wait);
    EXPECT_TRUE(due.Has(rate)) << rate.requests;
    EXPECT_EQ(due.UntilOne(rate), nanoseconds(0));
  }
}

TEST_F(TokenBucketTest, AnEarlierTimeGivesNothingBack) {
  const BucketRate rate{.requests = 10, .burst = 20};
  EXPECT_EQ(Take(rate, 100, now_), 20);
  EXPECT_EQ(Take(rate, 100, now_ - seconds(10)), 0);
  EXPECT_EQ(Take(rate, 100, now_ + milliseconds(100)), 1) << "counted from the later time";
}

TEST_F(TokenBucketTest, AnotherRateCountsAtOnce) {
  const BucketRate wide{.requests = 100, .burst = 200};
  const BucketRate narrow{.requests = 10, .burst = 20};
  EXPECT_EQ(Take(wide, 100, now_), 100);
  EXPECT_EQ(Take(narrow, 1, now_), 0) << "it owes 80";
  EXPECT_EQ(bucket_.Left(narrow), 0);
  EXPECT_EQ(bucket_.UntilOne(narrow), milliseconds(8100));
  EXPECT_EQ(Take(wide, 1000, now_), 100);
}

// What the two families say, and what really happens then.
TEST_F(TokenBucketTest, BothFamiliesOfHeadersTellTheTruth) {
  std::mt19937 random(7);
  const auto pick = [&](int min, int max) {
    return std::uniform_int_distribution<int>(min, max)(random);
  };
  for (int round = 0; round < 300; ++round) {
    const BucketRate rate{.requests = pick(1, 120), .burst = pick(1, 250)};
    bucket_ = TokenBucket();
    SteadyTime when = now_;
    for (int step = 0; step < 30; ++step) {
      when += nanoseconds(static_cast<std::int64_t>(pick(0, 1'000'000)) * pick(0, 2000));
      bucket_.Refill(rate, when);
      const bool is_allowed = bucket_.Has(rate);
      if (is_allowed) bucket_.Take(rate);
      const LimitVerdict verdict = bucket_.Verdict(rate, is_allowed);
      const Time clock(milliseconds(1'800'000'000'000 + pick(0, 999)));
      http::Response response;
      AddLimitHeaders(verdict, "user", clock, &response);
      std::map<std::string, std::string> headers;
      for (const http::Header& header : response.headers) headers[header.name] = header.value;

      const int remaining = std::stoi(headers["X-RateLimit-Remaining"]);
      const long reset = std::stol(headers["X-RateLimit-Reset"]);
      const std::string& policy = headers["RateLimit-Policy"];
      const long window = std::stol(policy.substr(policy.find(";w=") + 3));
      const long t = std::stol(headers["RateLimit"].substr(headers["RateLimit"].find(";t=") + 3));
      EXPECT_EQ(headers["X-RateLimit-Limit"], std::to_string(rate.requests));
      EXPECT_EQ(policy,
                "\"user\";q=" + std::to_string(rate.burst) + ";w=" + std::to_string(window));
      EXPECT_EQ(headers["RateLimit"],
                "\"user\";r=" + std::to_string(remaining) + ";t=" + std::to_string(t));
      // The same moment, in time of day and from now on.
      const Time end{seconds(reset)};
      EXPECT_GE(end - clock, verdict.reset);
      EXPECT_LT(end - clock, verdict.reset + seconds(1));
      EXPECT_GE(seconds(t), verdict.reset);
      EXPECT_LT(seconds(t), verdict.reset + seconds(1));
      EXPECT_LE(t, window);

      TokenBucket copy = bucket_;
      int more = 0;
      for (; copy.Has(rate); ++more) copy.Take(rate);
      EXPECT_EQ(more, remaining) << "so many more are let in now";
      copy = bucket_;
      copy.Refill(rate, when + seconds(t));
      EXPECT_EQ(copy.Left(rate), rate.burst) << "full again";
      if (is_allowed) continue;
      EXPECT_EQ(remaining, 0);
      copy = bucket_;
      copy.Refill(rate, when + seconds(WholeSeconds(verdict.retry_after)));
      EXPECT_TRUE(copy.Has(rate)) << "Retry-After is never too early";
    }
  }
}

}  // namespace
}  // namespace gatehouse::gateway
