#include "services/gateway/event_log.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace gatehouse::gateway {
namespace {

std::size_t BytesOf(const LiveEvent& event) {
  return sizeof(LiveEvent) + event.user_id.size() + event.type.size() + event.data_json.size() +
         event.time.size() + event.position.size();
}

LiveEvent GapAt(const std::string& time) {
  LiveEvent event;
  event.time = time;
  event.is_gap = true;
  return event;
}

}  // namespace

LiveEventPtr EventLog::Begin(char feed, const FeedPosition& position, bool is_gap,
                             const std::string& time) {
  position_[feed] = position;
  floor_[feed] = position;
  return is_gap ? Keep(feed, GapAt(time)) : nullptr;
}

LiveEventPtr EventLog::Add(char feed, const FeedPosition& position, LiveEvent event) {
  FeedPosition& known = position_[feed];
  if (position <= known) return nullptr;
  known = position;
  return Keep(feed, std::move(event));
}

LiveEventPtr EventLog::AddGap(char feed, const FeedPosition& resumed_at, const std::string& time) {
  Advance(feed, resumed_at);
  return Keep(feed, GapAt(time));
}

void EventLog::Advance(char feed, const FeedPosition& position) {
  FeedPosition& known = position_[feed];
  known = std::max(known, position);
}

LiveEventPtr EventLog::Keep(char feed, LiveEvent event) {
  event.number = ++number_;
  event.position = position();
  LiveEventPtr kept = std::make_shared<const LiveEvent>(std::move(event));
  kept_.push_back({feed, position_[feed], kept});
  bytes_ += BytesOf(*kept);
  while (kept_.size() > events_max_ || bytes_ > bytes_max_) Drop();
  return kept;
}

void EventLog::Drop() {
  const Kept& oldest = kept_.front();
  FeedPosition& floor = floor_[oldest.feed];
  // Of an earlier incarnation there is nothing to ask for anyway.
  if (oldest.position.incarnation == floor.incarnation) floor = std::max(floor, oldest.position);
  bytes_ -= BytesOf(*oldest.event);
  kept_.pop_front();
}

std::optional<std::vector<LiveEventPtr>> EventLog::After(const std::string& text) const {
  const std::optional<HubPosition> asked = ParseHubPosition(text);
  // A feed that only one of the two knows: nobody can tell what came between.
  if (!asked || asked->size() != floor_.size()) return std::nullopt;
  for (const auto& [feed, position] : *asked) {
    const auto floor = floor_.find(feed);
    if (floor == floor_.end() || floor->second.incarnation != position.incarnation ||
        position < floor->second) {
      return std::nullopt;
    }
  }
  std::vector<LiveEventPtr> missed;
  for (const Kept& kept : kept_) {
    const FeedPosition& seen = asked->at(kept.feed);
    if (kept.position.incarnation == seen.incarnation && kept.position > seen) {
      missed.push_back(kept.event);
    }
  }
  return missed;
}

}  // namespace gatehouse::gateway
