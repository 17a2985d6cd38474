#include "libs/http/connection.h"

#include <exception>
#include <utility>

#include "libs/http/worker.h"
#include "libs/log/log.h"

namespace gatehouse::http {
namespace {

// How often one connection reads before others have their turn.
constexpr int kTurnsMax = 16;

}  // namespace

Connection::Connection(Worker* worker, ConnectionId id, int fd, std::string peer_address)
    : worker_(worker), id_(id), channel_(fd), peer_address_(std::move(peer_address)) {
  timer_.owner = this;
}

Connection::~Connection() { worker_->timers().Disarm(&timer_); }

void Connection::Start() { SetTimer(); }

void Connection::OnReady(bool readable, bool writable, bool ended) {
  if (readable) channel_.SetReadable();
  if (writable) channel_.SetWritable();
  if (ended) {
    channel_.SetEnded();
    if (state_ == State::kInHand) CallGone();
  }
  Pump();
}

// Sends, uses and receives until none of them gets any further.
void Connection::Pump() {
  pumping_ = true;
  scheduled_ = false;
  for (int turn = 0; state_ != State::kClosed; ++turn) {
    Send();
    if (state_ == State::kClosed) break;
    if (turn == kTurnsMax) {
      Schedule();
      break;
    }
    if (ConsumeInput()) continue;
    if (stream_ && ServeStream()) continue;
    FinishInput();
    FinishOutput();
    if (!WantsInput() || !channel_.readable()) break;
    Receive();
  }
  pumping_ = false;
  if (state_ == State::kClosed) return;
  // A client that has not had a request answered yet will not try again.
  if (worker_->draining() && IsIdle() && number_ > 0) return Close();
  SetTimer();
}

void Connection::OnDrain() {
  channel_.SetReadable();  // A request may have arrived that no event has told of.
  Pump();
}

void Connection::OnDeadline(TimerKind kind) {
  if (kind == TimerKind::kBody && stream_) {
    if (stream_->AwaitsBody()) stream_->RefuseBody(408);
    return Pump();
  }
  if (kind != TimerKind::kHead && kind != TimerKind::kBody) return Close();
  // Else the reply has ended in this very batch.
  if (state_ == State::kHead || state_ == State::kBody) Refuse(408);
  Pump();
}

void Connection::Send() {
  std::size_t sent = 0;
  const Channel::Io io = channel_.Send(&sent);
  if (sent > 0) sent_ = true;
  if (io == Channel::Io::kFailed) Close();
}

void Connection::Schedule() {
  if (!std::exchange(scheduled_, true)) worker_->Schedule(id_);
}

// The caller may be running under our own feet, or under another connection's.
void Connection::Flush() {
  if (!pumping_) Schedule();
}

ConnectionStream* Connection::OpenStream(std::uint32_t number, std::shared_ptr<StreamOwner> owner) {
  if (state_ != State::kInHand || number != number_) return nullptr;
  gone_ = nullptr;
  state_ = State::kStreaming;
  stream_ = std::make_unique<ConnectionStream>(this, std::move(owner));
  worker_->AddStream(stream_.get());
  Flush();
  return stream_.get();
}

bool Connection::ServeStream() {
  if (stream_->Serve()) return true;
  if (stream_->IsForsaken()) Close();
  return false;
}

void Connection::TakeReply(std::uint32_t number, Response response) {
  if (state_ != State::kInHand || number != number_) return;
  gone_ = nullptr;
  if (!IsSendable(response)) {
    log::Error("a response would break its own framing", {{"status", response.status}});
    response = worker_->ErrorPageOf(500, Request());
  }
  Answer(std::move(response));
}

void Connection::TakeAbandoned(std::uint32_t number, const Request& request) {
  if (state_ != State::kInHand || number != number_) return;
  TakeReply(number, worker_->ErrorPageOf(500, request));
}

void Connection::SetGone(std::uint32_t number, std::function<void()> gone) {
  if (state_ == State::kInHand && number == number_) gone_ = std::move(gone);
}

void Connection::Answer(Response response) {
  // The client may be sending its next request already, or still this one.
  if (unread_ || (worker_->draining() && form_.keep_alive)) EndAfterReply();
  QueueResponse(std::move(response), form_, worker_->date_line(), &channel_.output());
  OnReplied();
}

void Connection::EndAfterReply() {
  form_.keep_alive = false;
  lingers_ = true;
}

void Connection::OnReplied() {
  if (form_.keep_alive) {
    state_ = State::kHead;
  } else {
    state_ = State::kClosing;
    if (channel_.readable() || !input_.empty()) lingers_ = true;
  }
  Flush();
}

void Connection::Refuse(int status) {
  if (exchange_) return RefuseRequest(status, exchange_->request());
  RefuseHead(status, RequestHead());
}

void Connection::RefuseRequest(int status, const Request& request) {
  form_.keep_alive = false;
  lingers_ = true;
  QueueResponse(worker_->ErrorPageOf(status, request), form_, worker_->date_line(),
                &channel_.output());
  exchange_.reset();
  state_ = State::kClosing;
}

// What is begun when the client's side has ended can never be completed.
void Connection::FinishInput() {
  if (!input_ended_) return;
  if (state_ == State::kLingering) return Close();
  if (state_ != State::kHead && state_ != State::kBody) return;
  if (channel_.output().size() > kOutputBytesMax) return;  // Requests wait in input_.
  exchange_.reset();
  state_ = State::kClosing;
  lingers_ = false;
}

// RFC 9112 section 9.6: input that is left unread when a socket is closed makes
// the kernel send a reset, which may overtake our answer. So end our side first
// and read on for a while.
void Connection::FinishOutput() {
  if (state_ != State::kClosing || !channel_.output().empty()) return;
  if (!lingers_ || input_ended_) return Close();
  channel_.ShutDown();
  state_ = State::kLingering;
}

void Connection::CallGone() {
  if (!gone_) return;
  const std::function<void()> gone = std::exchange(gone_, nullptr);
  try {
    gone();
  } catch (const std::exception& error) {
    log::Error("a handler threw when told that its client has left", {{"error", error.what()}});
  }
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  const bool in_hand = state_ == State::kInHand;
  state_ = State::kClosed;
  exchange_.reset();
  if (in_hand) CallGone();
  if (stream_) {
    ConnectionStream* stream = stream_.get();
    worker_->Bury(std::move(stream_));
    stream->Leave();
  }
  worker_->timers().Disarm(&timer_);
  worker_->Remove(this);
}

bool Connection::IsIdle() const {
  return state_ == State::kHead && input_.empty() && scanned_ == 0 && channel_.empty();
}

void Connection::SetTimer() {
  TimerKind kind = TimerKind::kHead;
  bool renew = false;
  if (!channel_.empty()) {
    kind = TimerKind::kWrite;
    renew = sent_;
  } else if (state_ == State::kLingering) {
    kind = TimerKind::kLinger;
  } else if (state_ == State::kBody || (stream_ && stream_->AwaitsBody())) {
    kind = TimerKind::kBody;
    renew = received_;
  } else if (state_ == State::kInHand || stream_) {
    worker_->timers().Disarm(&timer_);
    return;
  } else if (IsIdle()) {
    kind = worker_->draining() ? TimerKind::kFirstRequest : TimerKind::kIdle;
    renew = sent_ || received_;
  }
  sent_ = received_ = false;
  if (timer_.armed() && timer_.kind == kind && !renew) return;
  worker_->timers().Arm(&timer_, kind, worker_->now());
}

}  // namespace gatehouse::http
