#include "services/gateway/event_watch.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "gatehouse/event/v1/event.methods.h"
#include "libs/log/log.h"

namespace gatehouse::gateway {
namespace {

using event::v1::WatchResponse;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Two heartbeats and a half.
constexpr milliseconds kSilenceMax{25000};
constexpr milliseconds kBackOffMin{100};
constexpr milliseconds kBackOffMax{2000};

FeedPosition FromProto(const event::v1::Cursor& cursor) {
  return {cursor.incarnation(), cursor.transaction_id(), cursor.sequence()};
}

const event::v1::Cursor& CursorOf(const WatchResponse& message) {
  if (message.has_event()) return message.event().cursor();
  return message.has_gap() ? message.gap().resumed_at() : message.heartbeat();
}

// A position that the service knows nothing of: it can only start from now.
bool RefusesPosition(const absl::Status& status) {
  return Reason(status) == "FEED_INCARNATION_CHANGED" ||
         status.code() == absl::StatusCode::kInvalidArgument ||
         status.code() == absl::StatusCode::kOutOfRange;
}

}  // namespace

// One stream's life. Its callbacks may come after the watch has gone on to another
// stream, or has ended; `is_closed` then makes them do nothing.
struct EventWatch::Stream {
  Stream(EventWatch& watch)
      : listener(watch.listener_),
        feed(watch.feed_),
        is_up(watch.is_up_),
        events(watch.events_),
        position(watch.position_),
        was_lost(watch.was_lost_) {}

  void Receive(const WatchResponse& message) {
    std::lock_guard lock(mutex);
    if (is_closed || message.item_case() == WatchResponse::ITEM_NOT_SET) return;
    heard = steady_clock::now();
    if (!is_heard) is_up.Set(1);
    is_heard = true;
    const FeedPosition behind = FromProto(CursorOf(message));
    if (!position) Begin(message, behind);
    position = behind;
    if (message.has_event()) {
      events.Increment();
      listener.OnEvent(feed, behind, message.event());
    } else if (message.has_gap()) {
      listener.OnGap(feed, behind);
    } else {
      listener.OnPosition(feed, behind);
    }
  }

  void Begin(const WatchResponse& message, FeedPosition begin) {
    if (message.has_event()) --begin.sequence;  // The event itself is not lost.
    listener.OnBegin(feed, begin, was_lost);
    was_lost = false;
  }

  void End(const absl::Status& status) {
    std::lock_guard lock(mutex);
    end = status;
    has_ended = true;
  }

  bool IsOver(SteadyTime now) {
    std::lock_guard lock(mutex);
    return has_ended || now - heard > kSilenceMax;
  }

  FeedListener& listener;
  const char feed;
  metrics::Gauge& is_up;
  metrics::Counter& events;
  std::mutex mutex;
  SteadyTime heard = steady_clock::now();  // guarded by mutex
  std::optional<FeedPosition> position;    // guarded by mutex
  bool was_lost;                           // guarded by mutex
  bool is_heard = false;                   // guarded by mutex
  bool has_ended = false;                  // guarded by mutex
  bool is_closed = false;                  // guarded by mutex
  absl::Status end;                        // guarded by mutex
  std::shared_ptr<rpc::CancelHandle> call;
};

EventWatch::EventWatch(rpc::Client& service, FeedListener& listener)
    : service_(service),
      listener_(listener),
      feed_(service.name().at(0)),
      is_up_(metrics::GetGauge("gatehouse_gateway_event_stream_up",
                               "1 while the event feed of the service is heard.",
                               {{"service", service.name()}})),
      events_(metrics::GetCounter("gatehouse_gateway_events_total",
                                  "Events that came from the service's feed.",
                                  {{"service", service.name()}})) {
  is_up_.Set(0);
}

EventWatch::~EventWatch() {
  if (stream_) Close(steady_clock::now());
}

void EventWatch::Step(SteadyTime now) {
  if (stream_ && stream_->IsOver(now)) Close(now);
  if (!stream_ && now >= open_after_) Open();
}

void EventWatch::Open() {
  event::v1::WatchRequest request;
  if (position_) {
    request.mutable_cursor()->set_incarnation(position_->incarnation);
    request.mutable_cursor()->set_transaction_id(position_->transaction_id);
    request.mutable_cursor()->set_sequence(position_->sequence);
  }
  stream_ = std::make_shared<Stream>(*this);
  stream_->call = service_.Watch(
      event::v1::EventService::kWatch, request, rpc::CallOptions(),
      [stream = stream_](const WatchResponse& message) { stream->Receive(message); },
      [stream = stream_](const absl::Status& status) { stream->End(status); });
}

// Waits for a callback under way; none does anything afterwards.
void EventWatch::Close(SteadyTime now) {
  {
    std::lock_guard lock(stream_->mutex);
    stream_->is_closed = true;
    position_ = stream_->position;
    was_lost_ = stream_->was_lost;
    if (position_ && stream_->has_ended && RefusesPosition(stream_->end)) {
      log::Warning("events were lost: the feed starts anew",
                   {{"service", service_.name()}, {"reason", Reason(stream_->end)}});
      position_.reset();
      was_lost_ = true;
    } else if (stream_->is_heard && (stream_->has_ended || now - stream_->heard > kSilenceMax)) {
      log::Warning("the event stream ended",
                   {{"service", service_.name()}, {"code", static_cast<int>(stream_->end.code())}});
    }
    if (stream_->is_heard) back_off_ = milliseconds(0);
  }
  is_up_.Set(0);
  if (stream_->call) stream_->call->Cancel();
  stream_->call.reset();  // It holds the callbacks, which hold the stream.
  stream_.reset();
  back_off_ = std::clamp(back_off_ * 2, kBackOffMin, kBackOffMax);
  open_after_ = now + back_off_;
}

}  // namespace gatehouse::gateway
