#include "libs/rpc/open_feeds.h"

#include <utility>
#include <vector>

namespace gatehouse::rpc {

bool OpenFeeds::Add(std::shared_ptr<FeedQueue> feed) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  const FeedQueue* key = feed.get();
  feeds_.emplace(key, std::move(feed));
  return true;
}

void OpenFeeds::Remove(const FeedQueue* feed) {
  std::shared_ptr<FeedQueue> removed;  // Dies outside the lock.
  std::lock_guard lock(mutex_);
  auto found = feeds_.find(feed);
  if (found == feeds_.end()) return;
  removed = std::move(found->second);
  feeds_.erase(found);
  // Under the lock: the waiter may destroy this object as soon as it is released.
  if (feeds_.empty()) empty_.notify_all();
}

void OpenFeeds::FinishAll(const absl::Status& status) {
  std::vector<std::shared_ptr<FeedQueue>> feeds;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& [key, feed] : feeds_) feeds.push_back(feed);
  }
  // A feed that ends calls Remove, maybe from inside Finish.
  for (const auto& feed : feeds) feed->Finish(status);
}

void OpenFeeds::AwaitEmpty() {
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [this] { return feeds_.empty(); });
}

}  // namespace gatehouse::rpc
