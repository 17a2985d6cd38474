// Two gateways' limits on one real Redis: shared, local while it is gone, shared
// again.
#include "services/gateway/lease_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "libs/redis/client.h"
#include "libs/redis/testing.h"
#include "services/gateway/user_limiter.h"

namespace gatehouse::gateway {
namespace {

using redis::testing::RedisServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

bool Eventually(const std::function<bool()>& done) {
  const SteadyTime end = steady_clock::now() + seconds(10);
  while (!done()) {
    if (steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

// One gateway's part in it.
struct Node {
  explicit Node(const std::string& url, const std::string& name_space = "test")
      : leases(url, "", name_space), limiter(&leases) {}

  // The final verdict, however it comes; nullopt when it does not come in ten seconds.
  std::optional<LimitVerdict> Take(const std::string& key, int per_second, int burst) {
    struct Late {
      std::mutex mutex;
      std::optional<LimitVerdict> verdict;
    };
    const auto late = std::make_shared<Late>();
    const LimitVerdict verdict =
        limiter.Take(key, per_second, burst, steady_clock::now(), [late](const LimitVerdict& told) {
          std::lock_guard lock(late->mutex);
          late->verdict = told;
        });
    if (!verdict.is_pending) return verdict;
    waited = true;
    const bool came = Eventually([&] {
      std::lock_guard lock(late->mutex);
      return late->verdict.has_value();
    });
    std::lock_guard lock(late->mutex);
    return came ? late->verdict : std::nullopt;
  }
  // How many of `count` are let in.
  int Allowed(const std::string& key, int count, int per_second, int burst) {
    int allowed = 0;
    for (int i = 0; i < count; ++i) {
      const auto verdict = Take(key, per_second, burst);
      EXPECT_TRUE(verdict.has_value());
      allowed += verdict && verdict->is_allowed ? 1 : 0;
    }
    return allowed;
  }

  LeaseKeeper leases;
  UserLimiter limiter;
  bool waited = false;  // For Redis, ever.
};

class LeaseKeeperTest : public ::testing::Test {
 protected:
  LeaseKeeperTest() {
    EXPECT_TRUE(Eventually([this] { return one_.leases.IsUp() && two_.leases.IsUp(); }));
  }

  static void Flush(Node& node, std::int64_t sequence) {
    node.limiter.Clear();
    node.leases.Clear(sequence, sequence);
  }

  RedisServer redis_;
  Node one_{redis_.url()};
  Node two_{redis_.url()};
};

TEST_F(LeaseKeeperTest, TwoGatewaysShareOneBucket) {
  // 1 per second: what comes back during the test is a token or two.
  const int allowed = one_.Allowed("user/ada", 60, 1, 40) + two_.Allowed("user/ada", 60, 1, 40);
  EXPECT_GE(allowed, 40 - 4) << "a lease held by the other one";
  EXPECT_LE(allowed, 40 + 2 * 4 + 2);
  EXPECT_EQ(two_.Allowed("user/bob", 60, 1, 40), 40) << "alone it gets all, and no more";
}

TEST_F(LeaseKeeperTest, ARefusalTellsWhenRedisHasOneAgain) {
  one_.Allowed("user/ada", 60, 2, 20);
  const auto refused = two_.Take("user/ada", 2, 20);
  // On credit, of the other's bucket; then it knows.
  ASSERT_TRUE(refused.has_value());
  std::optional<LimitVerdict> verdict;
  ASSERT_TRUE(Eventually([&] {
    verdict = two_.Take("user/ada", 2, 20);
    return verdict && !verdict->is_allowed;
  }));
  EXPECT_EQ(verdict->limit, 2);
  EXPECT_EQ(verdict->quota, 20);
  EXPECT_EQ(verdict->remaining, 0);
  EXPECT_GT(verdict->retry_after, milliseconds(0));
  EXPECT_LE(verdict->retry_after, milliseconds(1600)) << "one, and what it had on credit";
  EXPECT_GT(verdict->reset, seconds(8)) << "the whole bucket is used up";
}

TEST_F(LeaseKeeperTest, HammeringBothNeverLetsInMoreThanIsPromised) {
  std::atomic<int> allowed{0};
  const SteadyTime begin = steady_clock::now();
  const SteadyTime end = begin + milliseconds(1500);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, node = i % 2 == 0 ? &one_ : &two_] {
      while (steady_clock::now() < end) {
        const LimitVerdict verdict = node->limiter.Take(
            "user/ada", 100, 50, steady_clock::now(),
            [&allowed](const LimitVerdict& late) { allowed += late.is_allowed; });
        allowed += !verdict.is_pending && verdict.is_allowed;
        // Far more often than is let in, and yet Redis has its turn.
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Answers that were under way may still come; `later` only counts.
  one_.leases.Stop();
  two_.leases.Stop();
  const double took = std::chrono::duration<double>(steady_clock::now() - begin).count();
  EXPECT_LE(allowed.load(), 50 + 100 * took + 2 * 5 + 1);
  EXPECT_GE(allowed.load(), 50 + 100 * 1.5 * 0.7) << "and what it promises is to be had";
}

TEST_F(LeaseKeeperTest, WithoutRedisEachCountsForItselfAndNobodyWaits) {
  redis_.Kill();
  // It may be asked once more, to find out.
  ASSERT_TRUE(Eventually([&] {
    one_.Take("user/x", 1, 20);
    two_.Take("user/x", 1, 20);
    return !one_.leases.IsUp() && !two_.leases.IsUp();
  }));
  one_.waited = two_.waited = false;
  EXPECT_EQ(one_.Allowed("user/ada", 60, 1, 20), 20);
  EXPECT_EQ(two_.Allowed("user/ada", 60, 1, 20), 20);
  EXPECT_FALSE(one_.waited || two_.waited);
  redis_.Start();
  ASSERT_TRUE(Eventually([&] { return one_.leases.IsUp() && two_.leases.IsUp(); }));
  const int shared = one_.Allowed("user/eve", 40, 1, 20) + two_.Allowed("user/eve", 40, 1, 20);
  EXPECT_LE(shared, 20 + 2 * 2 + 1) << "shared again";
}

TEST_F(LeaseKeeperTest, ARedisThatStandsStillHoldsUpNobodyForLong) {
  redis_.Freeze();
  // Those that wait at first get an answer all the same: this process's own.
  EXPECT_EQ(one_.Allowed("user/ada", 60, 1, 20), 20);
  EXPECT_TRUE(Eventually([&] { return !one_.leases.IsUp(); }));
  one_.waited = false;
  EXPECT_EQ(one_.Allowed("user/bob", 60, 1, 20), 20);
  EXPECT_FALSE(one_.waited);
  redis_.Thaw();
  EXPECT_TRUE(Eventually([&] { return one_.leases.IsUp(); }));
}

TEST_F(LeaseKeeperTest, AFlushFillsEveryBucketOnEveryGateway) {
  one_.Allowed("user/ada", 60, 1, 20);
  Flush(one_, 7);
  Flush(two_, 7);
  const int allowed = one_.Allowed("user/ada", 40, 1, 20) + two_.Allowed("user/ada", 40, 1, 20);
  EXPECT_GE(allowed, 20 - 2);
  EXPECT_LE(allowed, 20 + 2 * 2 + 1) << "full once";
  // One that has not heard of it, or has been started since, does not bring it back.
  Node three(redis_.url());
  ASSERT_TRUE(Eventually([&] { return three.leases.IsUp(); }));
  Flush(three, 7);
  EXPECT_LE(three.Allowed("user/ada", 40, 1, 20), 2 + 1);
  Flush(three, 8);
  EXPECT_GE(three.Allowed("user/ada", 40, 1, 20), 18);
}

TEST_F(LeaseKeeperTest, AFlushWorksWhateverItsNumber) {
  Flush(one_, 90);
  for (const std::int64_t restored : {3, 90, 4}) {
    one_.Allowed("user/ada", 60, 1, 20);
    Flush(one_, restored);
    EXPECT_GE(one_.Allowed("user/ada", 40, 1, 20), 18) << restored;
  }
}

TEST_F(LeaseKeeperTest, ADatabaseMadeAnewMayCountToTheSameNumberAgain) {
  Flush(one_, 5);
  one_.Allowed("user/ada", 60, 1, 20);
  // Started since: auth knows of no flush lately, in the count that it was in.
  Node same(redis_.url());
  ASSERT_TRUE(Eventually([&] { return same.leases.IsUp(); }));
  same.leases.Clear(0, 9);
  EXPECT_LE(same.Allowed("user/ada", 40, 1, 20), 2 + 1) << "forgotten at auth, not undone";
  // And in one that has not come so far.
  Node other(redis_.url());
  ASSERT_TRUE(Eventually([&] { return other.leases.IsUp(); }));
  other.leases.Clear(0, 2);
  Flush(other, 5);
  EXPECT_GE(other.Allowed("user/ada", 40, 1, 20), 18);
}

TEST_F(LeaseKeeperTest, InstallationsOnOneRedisDoNotMix) {
  Node stranger(redis_.url(), "another");
  ASSERT_TRUE(Eventually([&] { return stranger.leases.IsUp(); }));
  EXPECT_EQ(one_.Allowed("user/ada", 60, 1, 20), 20);
  EXPECT_EQ(stranger.Allowed("user/ada", 60, 1, 20), 20);
  Flush(stranger, 7);
  EXPECT_EQ(stranger.Allowed("user/ada", 60, 1, 20), 20);
  EXPECT_LE(two_.Allowed("user/ada", 60, 1, 20), 2 + 1) << "a flush of another installation";
}

TEST_F(LeaseKeeperTest, LosesItsScriptAndGoesOn) {
  one_.Allowed("user/ada", 5, 1, 20);
  redis::Client client(redis::ParseUrl(redis_.url()).value());
  ASSERT_TRUE(client.Call({{"SCRIPT", "FLUSH"}}).ok());
  const int allowed = one_.Allowed("user/ada", 60, 1, 20) + two_.Allowed("user/ada", 60, 1, 20);
  EXPECT_LE(allowed, 15 + 2 * 2 + 1);
  EXPECT_TRUE(one_.leases.IsUp());
}

TEST_F(LeaseKeeperTest, ARedisThatRefusesToWriteIsDown) {
  redis::Client client(redis::ParseUrl(redis_.url()).value());
  ASSERT_TRUE(client.Call({{"REPLICAOF", "127.0.0.1", "1"}}).ok());
  EXPECT_TRUE(Eventually([&] {
    one_.Take("user/ada", 1, 20);
    return !one_.leases.IsUp();
  }));
  EXPECT_EQ(one_.Allowed("user/bob", 60, 1, 20), 20) << "this process's own";
  ASSERT_TRUE(client.Call({{"REPLICAOF", "NO", "ONE"}}).ok());
  EXPECT_TRUE(Eventually([&] { return one_.leases.IsUp(); }));
}

TEST_F(LeaseKeeperTest, KeysOfFullBucketsLeaveRedis) {
  one_.Allowed("user/ada", 3, 1000, 20);
  redis::Client client(redis::ParseUrl(redis_.url()).value());
  EXPECT_TRUE(Eventually([&] {
    const auto keys = client.Call({{"KEYS", "ghrl:test:user*"}});
    return keys.ok() && keys->at(0).items.empty();
  }));
}

TEST_F(LeaseKeeperTest, StoppedItAnswersAtOnceAndCallsNobody) {
  redis_.Freeze();
  std::atomic<bool> called{false};
  for (int i = 0; i < 5; ++i) {
    one_.limiter.Take("user/ada", 1, 20, steady_clock::now(),
                      [&](const LimitVerdict&) { called = true; });
  }
  one_.leases.Stop();
  const bool called_before = called;
  EXPECT_FALSE(
      one_.limiter
          .Take("user/ada", 1, 20, steady_clock::now(), [&](const LimitVerdict&) { called = true; })
          .is_pending);
  EXPECT_EQ(called, called_before);
}

}  // namespace
}  // namespace gatehouse::gateway
