// The feeds that are open, so that a drain can end them. Knows nothing of gRPC.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "libs/rpc/feed_queue.h"

namespace gatehouse::rpc {

// Thread-safe.
class OpenFeeds {
 public:
  // False when FinishAll was called: the feed must not open.
  bool Add(std::shared_ptr<FeedQueue> feed);
  void Remove(const FeedQueue* feed);

  // Ends every feed and refuses new ones.
  void FinishAll(const absl::Status& status);

  // Returns when the last feed has been removed: nothing of this object is in use
  // any more. After FinishAll.
  void AwaitEmpty();

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  bool closed_ = false;                                                     // guarded by mutex_
  std::unordered_map<const FeedQueue*, std::shared_ptr<FeedQueue>> feeds_;  // guarded by mutex_
};

}  // namespace gatehouse::rpc
