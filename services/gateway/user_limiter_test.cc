// The limit per user in one process.
#include "services/gateway/user_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr char kAda[] = "user/ada";

class UserLimiterTest : public ::testing::Test {
 protected:
  // How many of `count` requests at `when` are allowed, at 10 per second, 20 at once.
  int Allowed(const std::string& key, int count, SteadyTime when) {
    int allowed = 0;
    for (int i = 0; i < count; ++i) {
      allowed += limiter_.Take(key, 10, 20, when).is_allowed ? 1 : 0;
    }
    return allowed;
  }

  const SteadyTime now_ = std::chrono::steady_clock::now();
  UserLimiter limiter_{nullptr};
};

TEST_F(UserLimiterTest, AllowsTheBurstAtOnceAndThenTheRate) {
  EXPECT_EQ(Allowed(kAda, 50, now_), 20);
  EXPECT_EQ(Allowed(kAda, 50, now_ + milliseconds(99)), 0);
  EXPECT_EQ(Allowed(kAda, 50, now_ + milliseconds(100)), 1);
  EXPECT_EQ(Allowed(kAda, 50, now_ + milliseconds(1100)), 10);
  EXPECT_EQ(Allowed(kAda, 50, now_ + seconds(60)), 20);
}

TEST_F(UserLimiterTest, ARefusalCostsNothing) {
  EXPECT_EQ(Allowed(kAda, 5000, now_), 20);
  EXPECT_EQ(Allowed(kAda, 5000, now_ + milliseconds(100)), 1) << "however often it was tried";
}

TEST_F(UserLimiterTest, TellsTheRateAndWhenTheNextOneIsLetIn) {
  LimitVerdict verdict = limiter_.Take(kAda, 10, 20, now_);
  EXPECT_EQ(verdict.limit, 10) << "per second, as the document says";
  EXPECT_EQ(verdict.quota, 20);
  EXPECT_EQ(verdict.remaining, 19);
  EXPECT_EQ(verdict.window, seconds(2));
  EXPECT_EQ(verdict.reset, milliseconds(100));
  EXPECT_EQ(Allowed(kAda, 100, now_), 19);
  verdict = limiter_.Take(kAda, 10, 20, now_ + milliseconds(30));
  EXPECT_FALSE(verdict.is_allowed);
  EXPECT_EQ(verdict.remaining, 0);
  EXPECT_EQ(verdict.retry_after, milliseconds(70));
  EXPECT_EQ(Allowed(kAda, 1, now_ + milliseconds(100) - nanoseconds(1)), 0);
  EXPECT_EQ(Allowed(kAda, 1, now_ + milliseconds(100)), 1);
}

TEST_F(UserLimiterTest, EachKeyHasABucketOfItsOwn) {
  EXPECT_EQ(Allowed(kAda, 50, now_), 20);
  EXPECT_EQ(Allowed("proxy/ada", 50, now_), 20);
  EXPECT_EQ(Allowed("user/bob", 50, now_), 20);
}

TEST_F(UserLimiterTest, ClearFillsEveryBucket) {
  EXPECT_EQ(Allowed(kAda, 50, now_), 20);
  limiter_.Clear();
  EXPECT_EQ(Allowed(kAda, 50, now_), 20);
}

TEST_F(UserLimiterTest, NoRateIsNoLimit) {
  for (int i = 0; i < 100; ++i) {
    const LimitVerdict verdict = limiter_.Take(kAda, 0, 20, now_);
    EXPECT_TRUE(verdict.is_allowed);
    EXPECT_EQ(verdict.limit, 0);
  }
}

TEST_F(UserLimiterTest, ABurstOfNoneIsOneAtATime) {
  EXPECT_TRUE(limiter_.Take(kAda, 10, 0, now_).is_allowed);
  EXPECT_FALSE(limiter_.Take(kAda, 10, 0, now_).is_allowed);
}

TEST_F(UserLimiterTest, MemoryIsBoundedWhateverComes) {
  metrics::Counter& refused = metrics::GetCounter("test_bounded_total", "Refusals.");
  TokenBuckets buckets(nullptr, refused);
  const std::size_t max = TokenBuckets::kBucketsMax;
  for (std::size_t i = 0; i < max + max / 4; ++i) {
    buckets.Take("user/" + std::to_string(i), {.requests = 1, .burst = 5}, now_);
  }
  EXPECT_LE(buckets.size(), max);
}

// Eight threads over ten seconds of a clock that they all push on: not one request
// more than the bucket holds, and not one less.
TEST_F(UserLimiterTest, ThreadsNeverGetOneTooMany) {
  std::atomic<std::int64_t> clock{0};
  std::atomic<int> allowed{0};
  constexpr std::int64_t kEnd = 10'000'000;  // In microseconds.
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      while (true) {
        const std::int64_t at = clock.fetch_add(137);
        if (at > kEnd) return;
        const SteadyTime when = now_ + std::chrono::microseconds(at);
        if (limiter_.Take(kAda, 10, 20, when).is_allowed) ++allowed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(allowed.load(), 20 + 10 * 10);
  EXPECT_GE(allowed.load(), 20 + 10 * 10 - 1);
}

}  // namespace
}  // namespace gatehouse::gateway
