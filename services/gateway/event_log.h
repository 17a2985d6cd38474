// The latest events of all services in the order in which they came to this gateway,
// and what somebody who was away has missed of them. Not thread-safe, and no stream:
// event_hub.h feeds it.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/gateway/event_hub.h"
#include "services/gateway/event_position.h"

namespace gatehouse::gateway {

class EventLog {
 public:
  // Keeps the newest ones: at most so many, and so many bytes.
  EventLog(std::size_t events_max, std::size_t bytes_max)
      : events_max_(events_max), bytes_max_(bytes_max) {}

  // The feed of a service is known from `position` on. With `is_gap` something may be
  // missing before it: the gap that says so, else nullptr.
  LiveEventPtr Begin(char feed, const FeedPosition& position, bool is_gap,
                     const std::string& time = "");

  // Takes the event at `position` over; nullptr when it is known. The feed has begun.
  LiveEventPtr Add(char feed, const FeedPosition& position, LiveEvent event);

  // Events before `resumed_at` are missing, as was noticed at `time`.
  LiveEventPtr AddGap(char feed, const FeedPosition& resumed_at, const std::string& time = "");

  // Nothing happened up to `position`.
  void Advance(char feed, const FeedPosition& position);

  // As EventHub::After and ::position.
  std::optional<std::vector<LiveEventPtr>> After(const std::string& position) const;
  std::string position() const { return ToText(position_); }

  std::size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    char feed;
    FeedPosition position;
    LiveEventPtr event;
  };

  LiveEventPtr Keep(char feed, LiveEvent event);
  void Drop();

  const std::size_t events_max_;
  const std::size_t bytes_max_;
  std::deque<Kept> kept_;
  std::size_t bytes_ = 0;  // Of kept_.
  std::uint64_t number_ = 0;
  HubPosition position_;
  HubPosition floor_;  // Behind these nothing is missing.
};

}  // namespace gatehouse::gateway
