// A bounded pool of threads for work that may block. Not a scheduler: first in,
// first out; a full queue refuses.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gatehouse::exec {

class Pool {
 public:
  struct Options {
    std::string name;  // Of the threads, at most 15 bytes.
    int threads = 8;
    std::size_t queue_max = 1024;
    int nice = 0;  // 0–19, for the threads only.
  };

  explicit Pool(Options options);

  // Finishes what is queued, then joins.
  ~Pool();

  // Runs `work` on a pool thread; false when the queue is full or the pool is
  // stopping, and then `work` is never called. `work` must not throw. Thread-safe.
  [[nodiscard]] bool TryPost(std::function<void()> work);

  // Refuses new work, finishes the queue, joins. Idempotent.
  void Stop();

 private:
  void Run();

  const Options options_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

// A thread that calls `step` until stopped; `step` returns how long to sleep.
// Destruction wakes the sleep and joins.
class Ticker {
 public:
  Ticker(std::string name, std::function<std::chrono::milliseconds()> step);
  ~Ticker();
  // Ends the current sleep. Thread-safe.
  void Wake();

 private:
  void Run(const std::function<std::chrono::milliseconds()>& step);

  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace gatehouse::exec
