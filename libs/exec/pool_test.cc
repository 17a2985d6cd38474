#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <set>

#include "libs/exec/pool.h"

namespace gatehouse::exec {
namespace {

using std::chrono::seconds;

Pool::Options Small(int threads, std::size_t queue_max) {
  return {.name = "test", .threads = threads, .queue_max = queue_max};
}

TEST(PoolTest, RunsWhatIsPostedInOrder) {
  std::vector<int> order;
  {
    Pool pool(Small(1, 100));
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(pool.TryPost([&order, i] { order.push_back(i); }));
  }
  ASSERT_EQ(order.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(PoolTest, AFullQueueRefuses) {
  std::promise<void> entered;
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> ran{0};
  {
    Pool pool(Small(1, 2));
    ASSERT_TRUE(pool.TryPost([&] {
      entered.set_value();
      released.wait();
    }));
    entered.get_future().wait();

    EXPECT_TRUE(pool.TryPost([&] { ++ran; }));
    EXPECT_TRUE(pool.TryPost([&] { ++ran; }));
    EXPECT_FALSE(pool.TryPost([&] { ran += 100; })) << "two are waiting";
    release.set_value();
  }
  EXPECT_EQ(ran, 2) << "refused work is never called";
}

TEST(PoolTest, StopFinishesTheQueueAndRefusesNewWork) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> ran{0};
  Pool pool(Small(2, 100));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(pool.TryPost([&] {
      released.wait();
      ++ran;
    }));
  }
  release.set_value();
  pool.Stop();
  EXPECT_EQ(ran, 20);
  EXPECT_FALSE(pool.TryPost([&] { ++ran; }));
  pool.Stop();
  EXPECT_EQ(ran, 20);
}

TEST(PoolTest, RunsOnAsManyThreadsAsAsked) {
  constexpr int kThreads = 3;
  std::mutex mutex;
  std::condition_variable all_in;
  std::set<std::thread::id> ids;
  bool met = true;
  {
    Pool pool(Small(kThreads, 100));
    for (int i = 0; i < kThreads; ++i) {
      ASSERT_TRUE(pool.TryPost([&] {
        std::unique_lock lock(mutex);
        ids.insert(std::this_thread::get_id());
        all_in.notify_all();
        met = all_in.wait_for(lock, seconds(10), [&] { return ids.size() == kThreads; }) && met;
      }));
    }
  }
  EXPECT_TRUE(met) << "all ran at the same time";
}

TEST(PoolTest, ThreadsHaveTheNameAndTheNiceValue) {
  char name[16] = "";
  int nice = -1;
  {
    Pool pool({.name = "a-name-that-is-too-long", .threads = 1, .queue_max = 1, .nice = 5});
    ASSERT_TRUE(pool.TryPost([&] {
      ::pthread_getname_np(::pthread_self(), name, sizeof name);
      nice = ::getpriority(PRIO_PROCESS, 0);
    }));
  }
  EXPECT_STREQ(name, "a-name-that-is-");
  EXPECT_EQ(nice, 5);
  EXPECT_NE(::getpriority(PRIO_PROCESS, 0), 5) << "for the pool's threads only";
}

// Accepted work runs exactly once and refused work never, whoever wins.
TEST(PoolTest, PostingRacesWithStopping) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> accepted{0};
    std::atomic<int> ran{0};
    Pool pool(Small(2, 64));
    std::vector<std::thread> posters;
    for (int i = 0; i < 4; ++i) {
      posters.emplace_back([&] {
        for (int k = 0; k < 500; ++k) {
          if (pool.TryPost([&] { ++ran; })) ++accepted;
        }
      });
    }
    pool.Stop();
    for (std::thread& poster : posters) poster.join();
    EXPECT_EQ(ran, accepted);
  }
}

}  // namespace
}  // namespace gatehouse::exec
