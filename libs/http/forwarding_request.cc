// A forwarding's request: head and body on their way to the upstream.
#include <charconv>
#include <utility>

#include "libs/http/forwarding.h"

namespace gatehouse::http {
namespace {

// Parts of a body up to this go out with the head, which saves a segment.
constexpr std::size_t kJoinedBodyMax = 16384;

void AppendChunk(std::string_view bytes, std::string* framed) {
  char digits[20];
  const char* end = std::to_chars(digits, digits + sizeof digits, bytes.size(), 16).ptr;
  framed->append(digits, static_cast<std::size_t>(end - digits));
  *framed += "\r\n";
  *framed += bytes;
  *framed += "\r\n";
}

}  // namespace

void Forwarding::SendRequest() {
  state_ = State::kRequest;
  begun_at_ = sent_at_ = moved_at_ = outgoing_.now();
  request_given_ = body_form_ == BodyForm::kNone || body_form_ == BodyForm::kWhole;
  if (body_form_ == BodyForm::kNone) return SendHead();
  head_pending_ = true;
  if (body_form_ == BodyForm::kWhole) {
    SendBytes(whole_->request().body);
    whole_.reset();
    return;
  }
  stream_->ReadBody();
  // The beginning of the body is delivered in this batch if it is there already.
  if (head_pending_) DeferHead(2);
}

// An upstream may answer while it still reads.
bool Forwarding::IsSending() const {
  return (state_ == State::kRequest || state_ == State::kResponse) && !request_stopped_;
}

void Forwarding::DeferHead(int times) {
  outgoing_.Defer([weak = weak_from_this(), times] {
    const std::shared_ptr<Forwarding> self = weak.lock();
    if (self == nullptr || !self->head_pending_ || self->state_ != State::kRequest) return;
    if (times > 1) return self->DeferHead(times - 1);
    self->SendHead();
  });
}

void Forwarding::SendHead() {
  head_pending_ = false;
  if (connection_.Send(request_.head)) return;
  if (connection_.is_reused()) return OnBroken();
  OnSendFailed();
}

void Forwarding::OnBody(std::string_view bytes, bool is_last) {
  if (tunnel_) {
    tunnel_->OnClientBytes(bytes, is_last);
    return CheckTunnel();
  }
  if (!IsSending()) return;
  report_.request_bytes += bytes.size();
  if (const int status = owner_->CheckBody(bytes, is_last)) return Refuse(status);
  SendBody(bytes, is_last);
}

void Forwarding::SendBody(std::string_view bytes, bool is_last) {
  if (body_form_ == BodyForm::kChunked) {
    SendChunk(bytes, is_last);
  } else {
    body_left_ -= bytes.size();
    const bool waits = body_left_ == 0 && !is_last;
    if (waits || !held_.empty()) held_ += bytes;
    // With these the request would be complete, and nobody has said yet that it may be.
    if (waits) return;
    const std::string held = std::exchange(held_, {});
    SendBytes(held.empty() ? bytes : held);
  }
  if (!IsSending()) return;
  request_given_ = is_last;
  if (is_last || client_paused_ || connection_.queued() <= Stream::kHighBytes) return;
  client_paused_ = true;
  stream_->PauseBody();
}

// Without the last one the request is not complete: nothing else has to be held back.
void Forwarding::SendChunk(std::string_view bytes, bool is_last) {
  std::string framed;
  framed.reserve(bytes.size() + 32);
  if (!bytes.empty()) AppendChunk(bytes, &framed);
  if (is_last) framed += "0\r\n\r\n";
  SendBytes(framed);
}

void Forwarding::SendBytes(std::string_view bytes) {
  sent_at_ = moved_at_ = outgoing_.now();
  if (head_pending_) {
    if (bytes.size() <= kJoinedBodyMax) {
      request_.head += bytes;
      bytes = {};
    }
    SendHead();
    if (!IsSending()) return;
  }
  if (!bytes.empty() && !connection_.Send(bytes)) OnSendFailed();
}

// The upstream may have answered before it closed: that is read from the socket, but
// not under the feet of whoever has called.
void Forwarding::OnSendFailed() {
  StopRequest();
  connection_.OnReady(true, false, false);
  DeferPump();
}

void Forwarding::StopRequest() {
  request_stopped_ = true;
  sent_at_ = outgoing_.now();
  held_.clear();
  if (stream_ != nullptr && !stream_->body_done()) stream_->PauseBody();
}

void Forwarding::FlushRequest() {
  const std::size_t before = connection_.queued();
  if (before == 0) return;
  if (!connection_.Flush()) {
    StopRequest();
    return connection_.OnReady(true, false, false);
  }
  if (connection_.queued() < before) sent_at_ = moved_at_ = outgoing_.now();
  if (!client_paused_ || connection_.queued() >= Stream::kLowBytes) return;
  client_paused_ = false;
  stream_->ReadBody();
}

void Forwarding::OnBodyRefused(int status) {
  // An answer that has begun goes on without the rest of the request.
  if (state_ == State::kResponse) return StopRequest();
  if (state_ != State::kDone && !tunnel_) Refuse(status);
}

}  // namespace gatehouse::http
