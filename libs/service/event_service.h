// gatehouse.event.v1.EventService over a service's feed: one thread reads the feed
// for all streams, from where each of them stands, and sends. A stream that reads too
// slowly is waited for and read on to, not dropped; it gets a gap only where events are
// kept no more. Not the feed (libs/pg/feed.h).
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libs/exec/pool.h"
#include "libs/pg/feed.h"
#include "libs/rpc/server.h"

namespace gatehouse::event::v1 {
class WatchRequest;
class WatchResponse;
}  // namespace gatehouse::event::v1

namespace gatehouse::service {

// Thread-safe.
class EventService {
 public:
  using Sender = rpc::FeedSender<event::v1::WatchResponse>;

  struct Options {
    std::vector<std::string> callers = {"gateway"};
    std::chrono::milliseconds heartbeat_interval{4000};
    int batch = 500;  // Events per read; less than a stream's queue holds.
  };

  // `db` is read, one statement at a time; `hub` of the same `schema` only wakes. Both
  // must outlive this.
  EventService(pg::Database& db, pg::FeedHub& hub, std::string schema, Options options);
  EventService(pg::Database& db, pg::FeedHub& hub, std::string schema)
      : EventService(db, hub, std::move(schema), Options{}) {}
  ~EventService();

  rpc::Service& rpc() { return rpc_; }

  // What the RPC does. Ends the stream with INVALID_ARGUMENT / EVENT_TYPES_INVALID or
  // FAILED_PRECONDITION / FEED_INCARNATION_CHANGED. The first message is a heartbeat
  // with the position that the stream begins after.
  void Watch(const event::v1::WatchRequest& request, Sender sender);

 private:
  struct Stream;

  std::chrono::milliseconds Step();
  void Listen();
  void Admit();
  void AdmitOne(Stream& stream, const pg::Cursor& head);
  bool ReadOn();
  bool ReadFrom(const pg::Cursor& position, const std::vector<Stream*>& streams);
  void TellGap(const std::vector<Stream*>& streams);
  void SendHeartbeats();
  bool NoteRead(const absl::Status& status);

  pg::Database& db_;
  pg::FeedHub& hub_;
  const std::string schema_;
  const Options options_;
  rpc::Service rpc_;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Stream>> joining_;  // guarded by mutex_
  std::shared_ptr<void> subscription_;            // guarded by mutex_; wakes the ticker
  bool is_closing_ = false;                       // guarded by mutex_

  // Of the ticker's thread only.
  std::vector<std::unique_ptr<Stream>> streams_;
  SteadyTime heartbeat_time_;
  bool is_failing_ = false;

  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::service
