#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/exec/pool.h"

namespace gatehouse::exec {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Counts calls and waits for a number of them, with a bound.
class Counter {
 public:
  void Add() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool Reaches(int wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(10), [&] { return count_ >= wanted; });
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

TEST(TickerTest, StepsAtOnceAndAgainAfterItsPause) {
  Counter counter;
  const Ticker ticker("test", [&] {
    counter.Add();
    return milliseconds(1);
  });
  EXPECT_TRUE(counter.Reaches(3));
}

TEST(TickerTest, WakeEndsThePause) {
  Counter counter;
  Ticker ticker("test", [&]() -> milliseconds {
    counter.Add();
    return hours(1);
  });
  ASSERT_TRUE(counter.Reaches(1));
  ticker.Wake();
  EXPECT_TRUE(counter.Reaches(2));
}

TEST(TickerTest, AWakeDuringAStepIsNotLost) {
  Counter begun;
  Counter woken;
  Counter done;
  Ticker ticker("test", [&]() -> milliseconds {
    begun.Add();
    woken.Reaches(1);
    done.Add();
    return hours(1);
  });
  ASSERT_TRUE(begun.Reaches(1));
  ticker.Wake();
  woken.Add();
  EXPECT_TRUE(done.Reaches(2));
}

TEST(TickerTest, DestructionEndsThePauseAndTheSteps) {
  Counter counter;
  {
    const Ticker ticker("test", [&]() -> milliseconds {
      counter.Add();
      return hours(1);
    });
    ASSERT_TRUE(counter.Reaches(1));
  }
  EXPECT_EQ(counter.count(), 1);
}

// Work is left before the wake: however wakes and steps meet, it is found.
TEST(TickerTest, NoWakeIsLostToARacingStep) {
  constexpr int kEach = 300;
  std::atomic<int> work{0};
  Counter found;
  Ticker ticker("test", [&]() -> milliseconds {
    for (int left = work.exchange(0); left > 0; --left) found.Add();
    return hours(1);
  });
  std::vector<std::thread> wakers;
  for (int i = 0; i < 3; ++i) {
    wakers.emplace_back([&] {
      for (int k = 0; k < kEach; ++k) {
        ++work;
        ticker.Wake();
      }
    });
  }
  for (std::thread& waker : wakers) waker.join();
  EXPECT_TRUE(found.Reaches(3 * kEach));
}

TEST(TickerTest, MayBeDestroyedAtOnce) {
  std::atomic<int> running{0};
  for (int round = 0; round < 100; ++round) {
    {
      const Ticker ticker("test", [&]() -> milliseconds {
        ++running;
        --running;
        return hours(1);
      });
    }
    EXPECT_EQ(running, 0) << "no step outlives the ticker";
  }
}

}  // namespace
}  // namespace gatehouse::exec
