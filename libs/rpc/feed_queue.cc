#include "libs/rpc/feed_queue.h"

#include <utility>

namespace gatehouse::rpc {

FeedQueue::FeedQueue(FeedWriter* writer, std::size_t waiting_max)
    : waiting_max_(waiting_max), writer_(writer) {}

bool FeedQueue::Send(std::string bytes) {
  if (ended()) return false;  // Most calls on a dead stream end here, without the lock.
  std::unique_lock lock(mutex_);
  if (outcome_ || waiting_.size() >= waiting_max_) return false;
  waiting_.push_back(std::move(bytes));
  if (!busy_) Continue(std::move(lock));
  return true;
}

void FeedQueue::Finish(const absl::Status& status) {
  std::unique_lock lock(mutex_);
  if (outcome_) return;
  outcome_ = status;
  ended_.store(true, std::memory_order_release);
  if (!busy_) Continue(std::move(lock));
}

void FeedQueue::Abandon(const absl::Status& status) {
  std::unique_lock lock(mutex_);
  waiting_.clear();
  if (outcome_) return;
  outcome_ = status;
  ended_.store(true, std::memory_order_release);
  if (!busy_) Continue(std::move(lock));
}

void FeedQueue::OnWritten(bool ok) {
  std::unique_lock lock(mutex_);
  if (!ok) {
    waiting_.clear();
    if (!outcome_) outcome_ = absl::CancelledError("the peer has gone");
    ended_.store(true, std::memory_order_release);
  }
  Continue(std::move(lock));
}

void FeedQueue::Continue(std::unique_lock<std::mutex> lock) {
  // The turn is passed on with busy_, not with the lock: a writer may report
  // OnWritten from inside StartWrite.
  if (!waiting_.empty()) {
    busy_ = true;
    std::string next = std::move(waiting_.front());
    waiting_.pop_front();
    FeedWriter* writer = writer_;
    lock.unlock();
    writer->StartWrite(std::move(next));
  } else if (outcome_) {
    busy_ = true;  // For good: nothing follows.
    FeedWriter* writer = std::exchange(writer_, nullptr);
    const absl::Status status = *outcome_;
    lock.unlock();
    writer->EndStream(status);
  } else {
    busy_ = false;
  }
}

}  // namespace gatehouse::rpc
