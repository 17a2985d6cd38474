// Keeps the event feed of one service open: opens a new stream, with back-off, when
// one ends or falls silent, from where the last one came to. Keeps no events.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "gatehouse/event/v1/event.pb.h"
#include "libs/base/clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/client.h"
#include "services/gateway/event_position.h"

namespace gatehouse::gateway {

// What is heard of a feed, from threads of gRPC, one call at a time.
class FeedListener {
 public:
  virtual ~FeedListener() = default;
  // Comes first: the feed is heard from `position` on. `is_gap`: it was heard before,
  // and what came between is lost.
  virtual void OnBegin(char feed, const FeedPosition& position, bool is_gap) = 0;
  virtual void OnEvent(char feed, const FeedPosition& position, const event::v1::Event& event) = 0;
  virtual void OnGap(char feed, const FeedPosition& resumed_at) = 0;
  virtual void OnPosition(char feed, const FeedPosition& position) = 0;
};

// One thread owns it.
class EventWatch {
 public:
  // Both must outlive this. No call comes after the destruction.
  EventWatch(rpc::Client& service, FeedListener& listener);
  ~EventWatch();

  // Sees to the stream. Call again and again, at least every 100 ms.
  void Step(SteadyTime now);

 private:
  struct Stream;
  void Open();
  void Close(SteadyTime now);

  rpc::Client& service_;
  FeedListener& listener_;
  const char feed_;
  metrics::Gauge& is_up_;
  metrics::Counter& events_;
  std::shared_ptr<Stream> stream_;
  std::optional<FeedPosition> position_;  // Where the next stream begins; absent: now.
  bool was_lost_ = false;                 // The position was good for nothing.
  std::chrono::milliseconds back_off_{0};
  SteadyTime open_after_{};
};

}  // namespace gatehouse::gateway
