#include "services/gateway/event_stream.h"

#include <algorithm>
#include <utility>

namespace gatehouse::gateway {
namespace {

constexpr int kOk = 200;
constexpr std::chrono::seconds kBeatInterval{15};
// What waits for a client before it counts as behind.
constexpr std::size_t kQueueBytesMax = http::Stream::kHighBytes;

constexpr char kHead[] =
    "Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n";
constexpr char kRetry[] = "retry: 2000\n";

// A line break would end a field; inside JSON it can only be white space.
void AppendLine(const char* field, std::string_view value, std::string* out) {
  out->append(field);
  for (const char c : value) *out += c == '\n' || c == '\r' ? ' ' : c;
  *out += '\n';
}

}  // namespace

std::string ServerSentEvent(std::string_view id, std::string_view type, std::string_view json) {
  std::string text;
  text.reserve(id.size() + type.size() + json.size() + 24);
  if (!id.empty()) AppendLine("id: ", id, &text);
  if (!type.empty()) AppendLine("event: ", type, &text);
  if (!json.empty()) AppendLine("data: ", json, &text);
  return text + '\n';
}

EventStream::EventStream(Context context, std::shared_ptr<void> place, Subscriptions subscriptions,
                         std::string last_id)
    : life_(context, SocketKind::kEvents, std::move(place)),
      sockets_(context->parts().sockets),
      worker_(context->exchange()->worker()),
      subscriptions_(std::move(subscriptions)),
      position_(std::move(last_id)) {}

// The stream ends itself without a word when one of the calls to it went wrong.
EventStream::~EventStream() { OnClosed(); }

void EventStream::Open(const std::shared_ptr<EventStream>& self) {
  const http::Request& request = self->life_.context().request();
  http::Stream* const stream = self->life_.context().exchange()->OpenStream(self);
  if (stream == nullptr) return;
  self->Begin(stream);
  if (request.method == "HEAD") self->Finish(kCloseNormal);
}

void EventStream::Begin(http::Stream* stream) {
  stream_ = stream;
  const SteadyTime now = std::chrono::steady_clock::now();
  life_.Open(now);
  beat_at_ = now + kBeatInterval;
  // Before the hub is asked: what happens in between comes twice rather than never.
  sockets_.Add(worker_, this);
  http::ReplyHead head{kOk, kHead, std::nullopt};
  life_.AppendCommonLines(
      [](std::string_view name) {
        return http::SameName(name, "Content-Type") || http::SameName(name, "Cache-Control");
      },
      &head.lines);
  stream_->BeginReply(std::move(head));
  if (position_.empty()) {
    position_ = told_position_ = sockets_.hub().position();
    return Write(kRetry + ServerSentEvent(position_, "", ""));
  }
  told_position_ = position_;
  Write(std::string(kRetry) + "\n");
  taken_ = sockets_.latest();
  CatchUp();
}

void EventStream::CatchUp() {
  const auto events = sockets_.hub().After(position_);
  is_behind_ = events.has_value();
  if (!events) {
    position_ = told_position_ = sockets_.hub().position();
    return Write(ServerSentEvent(position_, "gap", GapFrame(std::nullopt, life_.Now())));
  }
  for (const LiveEventPtr& event : *events) {
    if (stream_ == nullptr || stream_->queued() >= kQueueBytesMax) return;
    Take(*event);
  }
  is_behind_ = false;
}

void EventStream::OnEvent(const LiveEventPtr& event) {
  // Numbers tell what the hub has given already.
  if (stream_ == nullptr || is_behind_ || (event->number != 0 && event->number <= taken_)) return;
  if (EndIfDue(std::chrono::steady_clock::now())) return;
  is_behind_ = life_.is_doubtful() || stream_->queued() >= kQueueBytesMax;
  if (!is_behind_) Take(*event);
}

void EventStream::Take(const LiveEvent& event) {
  taken_ = std::max(taken_, event.number);
  position_ = event.position;
  if (event.is_gap) {
    told_position_ = position_;
    return Write(ServerSentEvent(position_, "gap", GapFrame(std::nullopt, life_.Now())));
  }
  if (!subscriptions_.Wants(event.type) || !MaySee(life_.principal(), event)) return;
  told_position_ = position_;
  Write(ServerSentEvent(position_, event.type, EventFrame(event)));
}

void EventStream::Write(std::string bytes) {
  if (stream_ == nullptr) return;
  wrote_ = true;
  life_.CountOut(bytes.size());
  stream_->Write(std::move(bytes));
}

void EventStream::OnWritable() {
  if (stream_ != nullptr && is_behind_) EndOrCatchUp(std::chrono::steady_clock::now());
}

// Who it is now comes first, what that may see second: in doubt it stays behind.
void EventStream::EndOrCatchUp(SteadyTime now) {
  if (EndIfDue(now) || !is_behind_ || life_.is_doubtful()) return;
  if (stream_->queued() < http::Stream::kLowBytes) CatchUp();
}

void EventStream::OnTick(SteadyTime now) {
  if (stream_ == nullptr) return;
  EndOrCatchUp(now);
  if (stream_ == nullptr) return;
  if (std::exchange(wrote_, false)) {
    beat_at_ = now + kBeatInterval;
  } else if (now >= beat_at_) {
    Beat(now);
  }
}

// The position goes along where it has moved past events of others: a block without data
// sets the client's Last-Event-ID and is no event.
void EventStream::Beat(SteadyTime now) {
  std::string text = ": keep-alive\n";
  text += position_ == told_position_ ? "\n" : ServerSentEvent(position_, "", "");
  told_position_ = position_;
  beat_at_ = now + kBeatInterval;
  if (stream_->queued() < kQueueBytesMax) stream_->Write(std::move(text));
}

bool EventStream::EndIfDue(SteadyTime now) {
  const int code = life_.Check(now);
  if (code == 0) return false;
  if (code != kCloseGoingAway) {
    const std::string json = R"({"code":)" + std::to_string(code) + R"(,"reason":")" +
                             std::string(SocketLife::ReasonOf(code)) + R"("})";
    Write(ServerSentEvent("", "error", json));
  }
  Finish(code);
  return true;
}

void EventStream::Finish(int code) {
  http::Stream* const stream = std::exchange(stream_, nullptr);
  if (stream == nullptr) return;
  sockets_.Remove(worker_, this);
  life_.Finish(code, kOk);
  stream->End();
}

void EventStream::OnDrain(std::chrono::milliseconds spread) {
  life_.Drain(std::chrono::steady_clock::now(), spread);
}

// How a client of events leaves.
void EventStream::OnClosed() {
  if (std::exchange(stream_, nullptr) == nullptr) return;
  sockets_.Remove(worker_, this);
  life_.Finish(kCloseNormal, kOk);
}

}  // namespace gatehouse::gateway
