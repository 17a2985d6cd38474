#include "libs/exec/pool.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

namespace gatehouse::exec {
namespace {

constexpr std::size_t kThreadNameMax = 15;

void NameThread(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, kThreadNameMax).c_str());
}

}  // namespace

Pool::Pool(Options options) : options_(std::move(options)) {
  const int threads = std::max(options_.threads, 1);
  threads_.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

Pool::~Pool() { Stop(); }

bool Pool::TryPost(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= options_.queue_max) return false;
    queue_.push_back(std::move(work));
  }
  ready_.notify_one();
  return true;
}

void Pool::Stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  ready_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void Pool::Run() {
  NameThread(options_.name);
  // On Linux "process" 0 means the calling thread.
  if (options_.nice > 0) ::setpriority(PRIO_PROCESS, 0, options_.nice);
  while (true) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

Ticker::Ticker(std::string name, std::function<std::chrono::milliseconds()> step)
    : thread_([this, name = std::move(name), step = std::move(step)] {
        NameThread(name);
        Run(step);
      }) {}

Ticker::~Ticker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Ticker::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

void Ticker::Run(const std::function<std::chrono::milliseconds()>& step) {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      // Cleared before the step: a wake during it leads to another one.
      woken_ = false;
    }
    const std::chrono::milliseconds pause = step();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, pause, [this] { return woken_ || stopping_; });
  }
}

}  // namespace gatehouse::exec
