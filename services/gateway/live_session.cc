#include "services/gateway/live_session.h"

#include <optional>
#include <utility>

namespace gatehouse::gateway {
namespace {

constexpr int kSwitchingProtocols = 101;
constexpr char kInvalidMessage[] = "Invalid message";
constexpr char kInvalidCommand[] = "Invalid command";

// Of the last event on this thread: many sockets want the same text.
const std::string& FrameOf(const LiveEventPtr& event) {
  thread_local LiveEventPtr last;
  thread_local std::string frame;
  if (last != event) {
    frame = EventFrame(*event);
    last = event;
  }
  return frame;
}

}  // namespace

LiveSession::LiveSession(Context context, std::shared_ptr<void> place)
    : life_(context, SocketKind::kLive, std::move(place)),
      sockets_(context->parts().sockets),
      worker_(context->exchange()->worker()) {}

void LiveSession::OnOpen(http::WebSocket* socket) {
  socket_ = socket;
  life_.Open(std::chrono::steady_clock::now());
  sockets_.Add(worker_, this);
}

void LiveSession::OnClosed(int code) {
  socket_ = nullptr;
  sockets_.Remove(worker_, this);
  life_.Finish(code, kSwitchingProtocols);
}

void LiveSession::OnMessage(std::string_view message, bool is_text) {
  life_.CountIn();
  if (socket_ == nullptr) return;
  if (!is_text) {
    return Send(ErrorFrame(kInvalidMessage, "only text messages are understood", {}, life_.Now()));
  }
  const LiveCommand command = ParseCommand(message);
  if (!command.is_frame || !command.problem.empty()) {
    const char* error = command.is_frame ? kInvalidCommand : kInvalidMessage;
    return Send(ErrorFrame(error, command.problem, command, life_.Now()));
  }
  Execute(command);
}

void LiveSession::Execute(const LiveCommand& command) {
  const Time now = life_.Now();
  if (command.name == "ping") return Send(PongFrame(command, now));
  if (command.name == "get_status") {
    const LiveStatus status{life_.connected_since(), socket_->queued(), life_.dropped()};
    return Send(StatusFrame(command, subscriptions_, status, now));
  }
  std::string problem;
  if (command.name == "subscribe") {
    problem = subscriptions_.Add(command.events);
  } else if (command.name == "unsubscribe") {
    subscriptions_.Remove(command.events);
  } else {
    problem = "Command '" + command.name + "' not recognized";
  }
  if (!problem.empty()) return Send(ErrorFrame(kInvalidCommand, problem, command, now));
  Send(SubscribedFrame(command, subscriptions_, now));
}

void LiveSession::OnEvent(const LiveEventPtr& event) {
  if (socket_ == nullptr || subscriptions_.patterns().empty()) return;
  if (!event->is_gap && !subscriptions_.Wants(event->type)) return;
  // Who it is now comes first, what that may see second.
  if (CloseIfDue(std::chrono::steady_clock::now())) return;
  missed_in_doubt_ |= life_.is_doubtful();
  if (missed_in_doubt_ && !life_.is_doubtful()) TellMissing();
  if (missed_in_doubt_) return life_.CountDropped();
  if (!event->is_gap && !MaySee(life_.principal(), *event)) return;
  if (event->is_gap) return Send(GapFrame(std::nullopt, life_.Now()));
  Send(FrameOf(event));
}

// Nothing overtakes what is missing: once a frame has found no room, all are dropped
// until the client has been told how many.
void LiveSession::Send(const std::string& frame) {
  if (missing_ == 0 && socket_->SendText(frame)) return life_.CountOut(frame.size());
  ++missing_;
  life_.CountDropped();
}

void LiveSession::OnWritable() {
  if (socket_ != nullptr && (missing_ > 0 || missed_in_doubt_)) TellMissing();
}

// How many of the events in the time of doubt were not for this client nobody knows.
void LiveSession::TellMissing() {
  const std::optional<std::uint64_t> dropped =
      missed_in_doubt_ ? std::nullopt : std::optional(missing_);
  const std::string frame = GapFrame(dropped, life_.Now());
  if (!socket_->SendText(frame)) return;
  life_.CountOut(frame.size());
  missing_ = 0;
  missed_in_doubt_ = false;
}

void LiveSession::OnTick(SteadyTime now) {
  if (socket_ == nullptr || CloseIfDue(now)) return;
  if (missed_in_doubt_ && !life_.is_doubtful()) TellMissing();
}

bool LiveSession::CloseIfDue(SteadyTime now) {
  const int code = life_.Check(now);
  if (code != 0) std::exchange(socket_, nullptr)->Close(code, SocketLife::ReasonOf(code));
  return code != 0;
}

void LiveSession::OnDrain(std::chrono::milliseconds spread) {
  life_.Drain(std::chrono::steady_clock::now(), spread);
}

}  // namespace gatehouse::gateway
