#include "libs/token/cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <shared_mutex>
#include <thread>
#include <vector>

namespace gatehouse::token {
namespace {

const Time kNow = Time(std::chrono::seconds(1'800'000'000));

std::string Digest(int number) {
  std::string digest(32, static_cast<char>(number));
  digest[1] = static_cast<char>(number >> 8);
  return digest;
}

TEST(CacheTest, GivesWhatWasPutUntilItsEnd) {
  Cache<std::string> cache(100);
  cache.Put("digest", std::make_shared<const std::string>("ada"), kNow + std::chrono::seconds(10));
  EXPECT_EQ(*cache.Get("digest", kNow), "ada");
  EXPECT_NE(cache.Get("digest", kNow + std::chrono::seconds(10) - std::chrono::nanoseconds(1)),
            nullptr);
  EXPECT_EQ(cache.Get("digest", kNow + std::chrono::seconds(10)), nullptr);
  EXPECT_EQ(cache.Get("other", kNow), nullptr);
}

TEST(CacheTest, EraseAndClearForget) {
  Cache<int> cache(1000);
  for (int i = 0; i < 64; ++i) {
    cache.Put(Digest(i), std::make_shared<const int>(i), kNow + std::chrono::hours(1));
  }
  cache.Erase(Digest(7));
  EXPECT_EQ(cache.Get(Digest(7), kNow), nullptr);
  EXPECT_EQ(*cache.Get(Digest(8), kNow), 8);
  cache.Clear();
  for (int i = 0; i < 64; ++i) EXPECT_EQ(cache.Get(Digest(i), kNow), nullptr);
}

TEST(CacheTest, StaysBoundedUnderAFlood) {
  constexpr int kMax = 160;
  Cache<int> cache(kMax);
  for (int i = 0; i < 20000; ++i) {
    cache.Put(Digest(i), std::make_shared<const int>(i), kNow + std::chrono::hours(1));
  }
  int kept = 0;
  for (int i = 0; i < 20000; ++i) kept += cache.Get(Digest(i), kNow) != nullptr;
  EXPECT_GT(kept, 0);
  EXPECT_LE(kept, kMax + 16) << "one more per shard";
}

TEST(CacheTest, AnotherBoundCountsFromTheNextPut) {
  Cache<int> cache(16 * 100);
  // All in one shard.
  for (int i = 0; i < 50; ++i)
    cache.Put("a" + std::to_string(i), std::make_shared<int>(i), kNow + std::chrono::hours(1));
  cache.SetMax(16 * 10);
  cache.Put("a-last", std::make_shared<int>(1), kNow + std::chrono::hours(1));
  EXPECT_EQ(cache.Get("a0", kNow), nullptr);
  EXPECT_NE(cache.Get("a-last", kNow), nullptr);
  cache.SetMax(16 * 100);
  for (int i = 0; i < 50; ++i)
    cache.Put("a" + std::to_string(i), std::make_shared<int>(i), kNow + std::chrono::hours(1));
  EXPECT_NE(cache.Get("a0", kNow), nullptr);
}

TEST(CacheTest, AnEmptyDigestIsAKeyLikeAnother) {
  Cache<int> cache(10);
  cache.Put("", std::make_shared<const int>(1), kNow + std::chrono::hours(1));
  EXPECT_EQ(*cache.Get("", kNow), 1);
}

// The rule that the header gives its users: check revocation on every hit and
// again after every insert. Then no revoked value is served once Revoke returned.
class Verifier {
 public:
  std::shared_ptr<const int> Check(int user) {
    if (auto hit = cache_.Get(Digest(user), kNow)) return IsRevoked(user) ? nullptr : hit;
    if (IsRevoked(user)) return nullptr;
    auto value = std::make_shared<const int>(user);
    cache_.Put(Digest(user), value, kNow + std::chrono::hours(1));
    if (!IsRevoked(user)) return value;
    cache_.Erase(Digest(user));
    return nullptr;
  }
  void Revoke(int user) {
    {
      std::unique_lock lock(mutex_);
      revoked_.insert(user);
    }
    cache_.Erase(Digest(user));
  }

 private:
  bool IsRevoked(int user) {
    std::shared_lock lock(mutex_);
    return revoked_.count(user) > 0;
  }
  Cache<int> cache_{4096};
  std::shared_mutex mutex_;
  std::set<int> revoked_;  // guarded by mutex_
};

TEST(CacheTest, RevocationRacesWithLookUpsAndWins) {
  constexpr int kUsers = 400;
  Verifier verifier;
  std::atomic<int> revoked_below = 0;
  std::atomic<int> wrong = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t) {
    readers.emplace_back([&, t] {
      for (int i = t; !stop; i += 7) {
        const int user = i % kUsers;
        const bool was_revoked = user < revoked_below;
        const auto value = verifier.Check(user);
        if (was_revoked && value != nullptr) ++wrong;
        if (value != nullptr && *value != user) ++wrong;
      }
    });
  }
  for (int user = 0; user < kUsers; ++user) {
    verifier.Revoke(user);
    revoked_below = user + 1;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  for (int user = 0; user < kUsers; ++user) EXPECT_EQ(verifier.Check(user), nullptr);
}

TEST(CacheTest, SurvivesEveryOperationAtOnce) {
  Cache<int> cache(64);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        const int key = (i * 31 + t) % 300;
        cache.Put(Digest(key), std::make_shared<const int>(key), kNow + std::chrono::seconds(1));
        if (auto value = cache.Get(Digest(key), kNow); value && *value != key) ++wrong;
        if (i % 17 == 0) cache.Erase(Digest(key));
        if (i % 501 == 0) cache.Clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace gatehouse::token
