// Hands the messages of any number of sending threads to one writer, one at a
// time, in order and bounded. Knows nothing of gRPC, so that its hand-overs can be
// tested under a race detector. Not a broadcast: one queue per stream.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "libs/status/status.h"

namespace gatehouse::rpc {

// The wire end of one stream. Calls come one at a time, from any thread, and
// never while the queue's lock is held. Must live until EndStream is called;
// the queue does not touch it afterwards.
class FeedWriter {
 public:
  virtual ~FeedWriter() = default;
  // Starts to write; FeedQueue::OnWritten reports the end.
  virtual void StartWrite(std::string bytes) = 0;
  // Ends the stream. Called exactly once, last.
  virtual void EndStream(const absl::Status& status) = 0;
};

// Thread-safe. Outlives its writer.
class FeedQueue {
 public:
  // `writer` must live until its EndStream was called.
  FeedQueue(FeedWriter* writer, std::size_t waiting_max);

  // Queues a message. False when the stream has ended or `waiting_max` messages
  // wait behind the one being written.
  bool Send(std::string bytes);

  // Ends the stream after what is queued. Only the first call counts.
  void Finish(const absl::Status& status);

  // The peer has gone: drops what is queued and ends the stream.
  void Abandon(const absl::Status& status);

  // The write under way has ended; `ok` is false when the stream is broken.
  void OnWritten(bool ok);

  bool ended() const { return ended_.load(std::memory_order_acquire); }

 private:
  // Does the next thing the writer may do: called by whoever holds its turn.
  void Continue(std::unique_lock<std::mutex> lock);

  const std::size_t waiting_max_;
  std::mutex mutex_;
  FeedWriter* writer_;                   // guarded by mutex_; null once ended
  std::deque<std::string> waiting_;      // guarded by mutex_
  std::optional<absl::Status> outcome_;  // guarded by mutex_; set once
  bool busy_ = false;                    // guarded by mutex_; the writer's turn is taken
  std::atomic<bool> ended_ = false;      // outcome_ is set
};

}  // namespace gatehouse::rpc
