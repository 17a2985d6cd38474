#include "libs/service/event_service.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "gatehouse/event/v1/event.methods.h"
#include "libs/log/log.h"
#include "libs/rpc/timestamp.h"

namespace gatehouse::service {
namespace {

using event::v1::WatchRequest;
using event::v1::WatchResponse;
using std::chrono::milliseconds;
using MessagePtr = std::shared_ptr<const WatchResponse>;

constexpr int kTypesMax = 100;
constexpr std::size_t kTypeBytesMax = 200;
constexpr milliseconds kSlowReaderPause{20};
constexpr milliseconds kRetryPause{500};
// Without the hub's wakes, that is while the database has not been reached yet.
constexpr milliseconds kPollPause{1000};

pg::Cursor FromProto(const event::v1::Cursor& cursor) {
  return {cursor.incarnation(), cursor.transaction_id(), cursor.sequence()};
}

void ToProto(const pg::Cursor& cursor, event::v1::Cursor* proto) {
  proto->set_incarnation(cursor.incarnation);
  proto->set_transaction_id(cursor.transaction_id);
  proto->set_sequence(cursor.sequence);
}

MessagePtr MessageOf(pg::Event event) {
  auto message = std::make_shared<WatchResponse>();
  event::v1::Event& proto = *message->mutable_event();
  ToProto(event.cursor, proto.mutable_cursor());
  proto.set_tenant_id(event.tenant_id);
  proto.set_user_id(std::move(event.user_id));
  proto.set_type(std::move(event.type));
  proto.set_subject(std::move(event.subject));
  proto.set_data_json(std::move(event.data_json));
  *proto.mutable_create_time() = rpc::ToTimestamp(event.create_time);
  return message;
}

MessagePtr GapAt(const pg::Cursor& position) {
  auto message = std::make_shared<WatchResponse>();
  ToProto(position, message->mutable_gap()->mutable_resumed_at());
  return message;
}

absl::Status CheckTypes(const WatchRequest& request) {
  const auto is_good = [](const std::string& type) {
    return !type.empty() && type.size() <= kTypeBytesMax;
  };
  if (request.types_size() <= kTypesMax &&
      std::all_of(request.types().begin(), request.types().end(), is_good)) {
    return absl::OkStatus();
  }
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, "EVENT_TYPES_INVALID",
                                  "types must be at most 100, each of 1 to 200 bytes"),
                            "types", "must be at most 100, each of 1 to 200 bytes");
}

absl::Status IncarnationChanged() {
  return Error(absl::StatusCode::kFailedPrecondition, "FEED_INCARNATION_CHANGED",
               "the cursor is from before a restore; start again without one");
}

}  // namespace

struct EventService::Stream {
  Stream(const WatchRequest& request, Sender the_sender) : sender(std::move(the_sender)) {
    if (request.has_cursor()) asked = FromProto(request.cursor());
    for (const std::string& type : request.types()) {
      const bool is_prefix = type.size() > 2 && type.ends_with(".*");
      (is_prefix ? prefixes : names).push_back(is_prefix ? type.substr(0, type.size() - 1) : type);
    }
  }

  bool Wants(const std::string& type) const {
    if (names.empty() && prefixes.empty()) return true;
    return std::find(names.begin(), names.end(), type) != names.end() ||
           std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const std::string& prefix) { return type.starts_with(prefix); });
  }

  // Sends what waits; whether nothing is left.
  bool Flush() {
    while (!waiting.empty() && sender.Send(*waiting.front())) waiting.pop_front();
    return waiting.empty();
  }

  void Put(MessagePtr message) {
    waiting.push_back(std::move(message));
    Flush();
  }

  Sender sender;
  std::optional<pg::Cursor> asked;  // The request's.
  std::vector<std::string> names;
  std::vector<std::string> prefixes;  // With the dot.
  pg::Cursor position;                // Read up to here; what waits is not behind it.
  std::deque<MessagePtr> waiting;     // At most a batch, while the stream's queue is full.
};

EventService::EventService(pg::Database& db, pg::FeedHub& hub, std::string schema, Options options)
    : db_(db),
      hub_(hub),
      schema_(std::move(schema)),
      options_(std::move(options)),
      rpc_(event::v1::EventService::kFullName),
      ticker_("events", [this] { return Step(); }) {
  rpc_.Feed(event::v1::EventService::kWatch, {.callers = options_.callers},
            [this](std::shared_ptr<rpc::Call> call, const WatchRequest& request, Sender sender) {
              log::Info("events are watched", {{"schema", schema_}, {"caller", call->caller()}});
              Watch(request, std::move(sender));
            });
}

EventService::~EventService() {
  std::shared_ptr<void> subscription;
  {
    std::lock_guard lock(mutex_);
    is_closing_ = true;
    subscription.swap(subscription_);
  }
  // Goes here, while there is a ticker to wake.
}

void EventService::Watch(const WatchRequest& request, Sender sender) {
  if (const absl::Status checked = CheckTypes(request); !checked.ok()) {
    return sender.Finish(checked);
  }
  auto stream = std::make_unique<Stream>(request, std::move(sender));
  {
    std::lock_guard lock(mutex_);
    joining_.push_back(std::move(stream));
  }
  ticker_.Wake();
}

milliseconds EventService::Step() {
  Listen();
  Admit();
  std::erase_if(streams_, [](const auto& stream) { return stream->sender.ended(); });
  const bool has_more = ReadOn();
  SendHeartbeats();
  const bool is_slow = std::any_of(streams_.begin(), streams_.end(),
                                   [](const auto& stream) { return !stream->waiting.empty(); });
  std::lock_guard lock(mutex_);
  if (streams_.empty() && joining_.empty()) is_failing_ = false;
  if (is_failing_) return kRetryPause;
  if (has_more) return milliseconds(0);
  if (is_slow) return kSlowReaderPause;
  if (!subscription_) return kPollPause;
  return options_.heartbeat_interval;
}

// Before any read, so that what is committed after it wakes.
void EventService::Listen() {
  {
    std::lock_guard lock(mutex_);
    if (subscription_ || is_closing_) return;
  }
  std::shared_ptr<void> handle = hub_.Subscribe([this](const pg::Event&) { ticker_.Wake(); });
  std::lock_guard lock(mutex_);
  if (!is_closing_) subscription_ = std::move(handle);
}

void EventService::Admit() {
  std::vector<std::unique_ptr<Stream>> joining;
  {
    std::lock_guard lock(mutex_);
    joining.swap(joining_);
  }
  if (joining.empty()) return;
  const absl::StatusOr<pg::Cursor> head = pg::FeedHead(db_, schema_);
  if (!NoteRead(head.status())) {
    std::lock_guard lock(mutex_);
    joining_.insert(joining_.begin(), std::make_move_iterator(joining.begin()),
                    std::make_move_iterator(joining.end()));
    return;
  }
  for (std::unique_ptr<Stream>& stream : joining) {
    AdmitOne(*stream, *head);
    streams_.push_back(std::move(stream));
  }
}

void EventService::AdmitOne(Stream& stream, const pg::Cursor& head) {
  stream.position = stream.asked.value_or(head);
  // A position that was never given out yet is of a database that is no more.
  if (stream.position.incarnation != head.incarnation || stream.position > head) {
    return stream.sender.Finish(IncarnationChanged());
  }
  auto message = std::make_shared<WatchResponse>();
  ToProto(stream.position, message->mutable_heartbeat());
  stream.Put(std::move(message));
}

// Reads one batch for each position at which streams stand that can take more: usually
// one for all. Whether there is more to read.
bool EventService::ReadOn() {
  std::map<pg::Cursor, std::vector<Stream*>> ready;
  for (const std::unique_ptr<Stream>& stream : streams_) {
    if (!stream->sender.ended() && stream->Flush()) {
      ready[stream->position].push_back(stream.get());
    }
  }
  bool has_more = false;
  for (const auto& [position, streams] : ready) has_more |= ReadFrom(position, streams);
  return has_more;
}

bool EventService::ReadFrom(const pg::Cursor& position, const std::vector<Stream*>& streams) {
  absl::StatusOr<std::vector<pg::Event>> events =
      pg::ReadFeed(db_, schema_, position, options_.batch);
  if (Reason(events.status()) == "FEED_INCARNATION_CHANGED") {
    for (Stream* stream : streams) stream->sender.Finish(IncarnationChanged());
    return false;
  }
  if (Reason(events.status()) == "FEED_EVENTS_GONE") {
    TellGap(streams);
    return true;
  }
  if (!NoteRead(events.status())) return false;
  for (pg::Event& event : *events) {
    const pg::Cursor cursor = event.cursor;
    const MessagePtr message = MessageOf(std::move(event));
    for (Stream* stream : streams) {
      stream->position = cursor;
      if (stream->Wants(message->event().type())) stream->Put(message);
    }
  }
  return events->size() == static_cast<std::size_t>(options_.batch);
}

void EventService::TellGap(const std::vector<Stream*>& streams) {
  const absl::StatusOr<pg::Cursor> tail = pg::FeedTail(db_, schema_);
  if (!NoteRead(tail.status())) return;
  for (Stream* stream : streams) {
    stream->position = *tail;
    stream->Put(GapAt(*tail));
  }
}

void EventService::SendHeartbeats() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now - heartbeat_time_ < options_.heartbeat_interval) return;
  heartbeat_time_ = now;
  WatchResponse heartbeat;
  for (const std::unique_ptr<Stream>& stream : streams_) {
    // One that has not kept up has enough to read.
    if (!stream->waiting.empty()) continue;
    ToProto(stream->position, heartbeat.mutable_heartbeat());
    stream->sender.Send(heartbeat);
  }
}

bool EventService::NoteRead(const absl::Status& status) {
  if (!status.ok() && !is_failing_) {
    log::Error("events cannot be read", {{"schema", schema_}, {"reason", Reason(status)}});
  }
  is_failing_ = !status.ok();
  return status.ok();
}

}  // namespace gatehouse::service
