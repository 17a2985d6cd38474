// The limit per client address and how it is told.
#include "services/gateway/address_limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "services/gateway/limit_headers.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kAda[] = "192.0.2.1";

class AddressLimiterTest : public ::testing::Test {
 protected:
  // How many of `count` requests at `when` are allowed.
  int Allowed(const std::string& address, int count, SteadyTime when) {
    int allowed = 0;
    for (int i = 0; i < count; ++i) allowed += limiter_.Take(address, when).is_allowed ? 1 : 0;
    return allowed;
  }

  const SteadyTime now_ = std::chrono::steady_clock::now();
  AddressLimiter limiter_{5, seconds(60)};
};

TEST_F(AddressLimiterTest, AllowsTheWholeLimitAtOnceAndThenRefillsEvenly) {
  EXPECT_EQ(Allowed(kAda, 10, now_), 5);
  EXPECT_EQ(Allowed(kAda, 10, now_ + milliseconds(11'999)), 0);
  EXPECT_EQ(Allowed(kAda, 10, now_ + seconds(12)), 1);
  EXPECT_EQ(Allowed(kAda, 10, now_ + seconds(36)), 2);
  EXPECT_EQ(Allowed(kAda, 10, now_ + seconds(600)), 5);
}

TEST_F(AddressLimiterTest, ARefusalCostsNothing) {
  EXPECT_EQ(Allowed(kAda, 1000, now_), 5);
  EXPECT_EQ(Allowed(kAda, 1, now_ + seconds(12)), 1) << "however often it was tried";
}

TEST_F(AddressLimiterTest, TellsWhatIsLeftAndWhen) {
  LimitVerdict verdict = limiter_.Take(kAda, now_);
  EXPECT_EQ(verdict.limit, 5);
  EXPECT_EQ(verdict.remaining, 4);
  EXPECT_EQ(verdict.reset, seconds(12));
  EXPECT_EQ(verdict.retry_after, seconds(0));
  for (int i = 3; i >= 0; --i) EXPECT_EQ(limiter_.Take(kAda, now_).remaining, i);
  verdict = limiter_.Take(kAda, now_ + seconds(5));
  EXPECT_FALSE(verdict.is_allowed);
  EXPECT_EQ(verdict.remaining, 0);
  EXPECT_EQ(verdict.retry_after, seconds(7));
  EXPECT_EQ(verdict.reset, seconds(55));
}

TEST_F(AddressLimiterTest, AnAddressOfIpv4IsOneClientInEitherSpelling) {
  EXPECT_EQ(Allowed(kAda, 5, now_), 5);
  EXPECT_EQ(Allowed("::ffff:192.0.2.1", 5, now_), 0);
  EXPECT_EQ(Allowed("192.0.2.2", 5, now_), 5);
}

TEST_F(AddressLimiterTest, ASlash64OfIpv6IsOneClient) {
  EXPECT_EQ(Allowed("2001:db8:0:1::1", 5, now_), 5);
  EXPECT_EQ(Allowed("2001:db8:0:1:ffff::9", 5, now_), 0);
  EXPECT_EQ(Allowed("2001:db8:0:2::1", 5, now_), 5);
}

TEST_F(AddressLimiterTest, WhatIsNoAddressIsLimitedByItsText) {
  EXPECT_EQ(Allowed("fe80::1%eth0", 9, now_), 5);
  EXPECT_EQ(Allowed("", 9, now_), 5);
}

TEST_F(AddressLimiterTest, NoLimitCountsNothing) {
  AddressLimiter open(0, seconds(60));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(open.Take(kAda, now_).is_allowed);
  EXPECT_EQ(open.Take(kAda, now_).limit, 0);
  EXPECT_EQ(open.size(), 0u);
}

TEST_F(AddressLimiterTest, AnotherLimitCountsAtOnceAndEverybodyBeginsAnew) {
  EXPECT_EQ(Allowed(kAda, 9, now_), 5);
  limiter_.Configure(5, seconds(60));
  EXPECT_EQ(Allowed(kAda, 9, now_), 0) << "the same limit changes nothing";
  limiter_.Configure(2, seconds(10));
  EXPECT_EQ(Allowed(kAda, 9, now_), 2);
  EXPECT_EQ(limiter_.Peek(kAda, now_).window, seconds(10));
  EXPECT_EQ(Allowed(kAda, 9, now_ + seconds(5)), 1);
  limiter_.Configure(0, seconds(10));
  EXPECT_EQ(Allowed(kAda, 9, now_), 9) << "no limit";
}

TEST_F(AddressLimiterTest, ClearFillsEveryBucket) {
  EXPECT_EQ(Allowed(kAda, 9, now_), 5);
  limiter_.Clear();
  EXPECT_EQ(limiter_.size(), 0u);
  EXPECT_EQ(Allowed(kAda, 9, now_), 5);
}

TEST_F(AddressLimiterTest, FullBucketsAreForgotten) {
  for (int i = 0; i < 40'000; ++i) limiter_.Take("a" + std::to_string(i), now_);
  EXPECT_EQ(limiter_.size(), 40'000u) << "none of them is full";
  for (int i = 0; i < 80'000; ++i) {
    limiter_.Take("b" + std::to_string(i), now_ + seconds(12) + milliseconds(i));
  }
  EXPECT_LT(limiter_.size(), 80'000u);
}

TEST_F(AddressLimiterTest, MemoryIsBoundedWhateverComes) {
  const std::size_t max = AddressLimiter::kBucketsMax;
  for (std::size_t i = 0; i < max + max / 4; ++i) limiter_.Take("a" + std::to_string(i), now_);
  EXPECT_LE(limiter_.size(), max);
}

TEST_F(AddressLimiterTest, ThreadsShareTheBucket) {
  std::atomic<int> allowed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 2000; ++j) {
        if (limiter_.Take(kAda, now_).is_allowed) ++allowed;
        limiter_.Take(std::to_string(i) + "/" + std::to_string(j), now_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed.load(), 5);
}

std::vector<std::string> Lines(const LimitVerdict& verdict, Time now) {
  http::Response response;
  AddLimitHeaders(verdict, "address", now, &response);
  std::vector<std::string> lines;
  for (const http::Header& header : response.headers) {
    lines.push_back(header.name + ": " + header.value);
  }
  return lines;
}

TEST(LimitHeadersTest, SpellsBothFamilies) {
  const Time now(milliseconds(1'800'000'000'400));
  LimitVerdict verdict{.limit = 5, .remaining = 4, .window = seconds(60)};
  verdict.reset = milliseconds(11'500);
  EXPECT_THAT(Lines(verdict, now), ElementsAre("X-RateLimit-Limit: 5", "X-RateLimit-Remaining: 4",
                                               "X-RateLimit-Reset: 1800000012",
                                               R"(RateLimit-Policy: "address";q=5;w=60)",
                                               R"(RateLimit: "address";r=4;t=12)"));
  EXPECT_THAT(Lines({}, now), IsEmpty()) << "no limit";
}

TEST(LimitHeadersTest, WaitsAreWholeSecondsAndNeverNone) {
  EXPECT_EQ(WholeSeconds(milliseconds(1)), 1);
  EXPECT_EQ(WholeSeconds(seconds(0)), 1);
  EXPECT_EQ(WholeSeconds(milliseconds(1001)), 2);
  EXPECT_EQ(WholeSeconds(seconds(7)), 7);
}

}  // namespace
}  // namespace gatehouse::gateway
