// A forwarding's response: from the upstream's bytes to the client's stream.
#include <utility>

#include "libs/http/forwarding.h"
#include "libs/http/response_parser.h"
#include "libs/http/response_rules.h"
#include "libs/http/worker.h"

namespace gatehouse::http {
namespace {

// How often one forwarding reads before others have their turn.
constexpr int kTurnsMax = 8;
constexpr std::size_t kUsualLines = 960;
constexpr int kSwitchingProtocols = 101;
constexpr int kBadRequest = 400;

std::chrono::microseconds Micros(SteadyTime::duration time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time);
}

}  // namespace

void Forwarding::OnReady(bool readable, bool writable, bool ended) {
  // What an idle connection still brings belongs to nobody.
  if (state_ == State::kRequest && connection_.IsStale(readable, ended)) return OnBroken();
  connection_.OnReady(readable, writable, ended);
  Pump();
}

void Forwarding::Pump() {
  if (state_ == State::kConnecting) {
    const UpstreamConnection::Io io = connection_.FinishConnect();
    if (io == UpstreamConnection::Io::kBlocked) return;
    if (io != UpstreamConnection::Io::kDone) return OnUnreachable();
    report_.connect = Micros(outgoing_.now() - attempt_at_);
    SendRequest();
  }
  const auto is_reading = [this] {
    return state_ == State::kRequest || state_ == State::kResponse;
  };
  if (is_reading() && !request_stopped_) FlushRequest();
  for (int turn = 0; is_reading() && !response_paused_ && connection_.readable(); ++turn) {
    if (turn == kTurnsMax) return DeferPump();
    Receive();
  }
  if (!tunnel_ || state_ != State::kTunnel) return;
  if (tunnel_->Pump()) DeferPump();
  CheckTunnel();
}

void Forwarding::DeferPump() {
  outgoing_.Defer([weak = weak_from_this()] {
    if (const std::shared_ptr<Forwarding> self = weak.lock()) self->Pump();
  });
}

void Forwarding::OnWritable() {
  const bool goes_on =
      tunnel_ ? tunnel_->OnClientWritable() : std::exchange(response_paused_, false);
  if (!goes_on) return;
  moved_at_ = outgoing_.now();
  DeferPump();
}

void Forwarding::Receive() {
  std::size_t count = 0;
  switch (connection_.Receive(outgoing_.scratch(), Worker::kScratchBytes, &count)) {
    case UpstreamConnection::Io::kBlocked:
      return;
    case UpstreamConnection::Io::kEnd:
      return OnUpstreamEnd();
    case UpstreamConnection::Io::kFailed:
      return state_ == State::kRequest ? OnBroken() : Truncate();
    case UpstreamConnection::Io::kDone:
      return OnBytes({outgoing_.scratch(), count});
  }
}

void Forwarding::OnBytes(std::string_view bytes) {
  moved_at_ = outgoing_.now();
  if (state_ == State::kResponse) return ReadBody(bytes);
  received_ = true;
  if (input_.empty()) {
    const std::size_t used = ReadHead(bytes);
    if (state_ == State::kRequest) input_ = bytes.substr(used);
    return;
  }
  input_ += bytes;
  input_.erase(0, ReadHead(input_));
  if (state_ != State::kRequest) std::string().swap(input_);
}

std::size_t Forwarding::ReadHead(std::string_view bytes) {
  // Its memory serves all responses of the thread, one after the other.
  static thread_local ResponseHead head;
  std::size_t used = 0;
  while (used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    const ResponseScan scan = ScanResponseHead(rest, &scanned_);
    if (!scan.is_bad && scan.length == 0) return used;
    scanned_ = 0;
    const bool is_good = !scan.is_bad && ParseResponseHead(rest.substr(0, scan.length), &head) &&
                         CheckResponse(answers_head_, &head);
    const bool switches = is_good && head.status == kSwitchingProtocols;
    if (!is_good || (switches && !(request_.upgrades && head.is_websocket))) {
      OnBadResponse();
      return bytes.size();
    }
    used += scan.length;
    if (!switches && head.status < 200) continue;  // Interim: not for the client.
    if (switches) {
      BecomeTunnel(head, bytes.substr(used));
    } else {
      OnHead(head, bytes.substr(used));
    }
    return bytes.size();
  }
  return used;
}

void Forwarding::OnHead(const ResponseHead& head, std::string_view rest) {
  body_.Begin(head);
  std::string bytes;
  if (!body_.done()) bytes.reserve(rest.size());
  const std::size_t used = body_.Feed(rest, &bytes);
  if (body_.is_bad()) return OnBadResponse();
  ReportSuccess();
  state_ = State::kResponse;
  report_.status = head.status;
  report_.head = Micros(outgoing_.now() - begun_at_);
  report_.response_bytes = bytes.size();
  const bool is_early = !request_given_ || connection_.queued() > 0 || request_stopped_;
  // A refusal wants no more of the request; others may go on reading it as they answer.
  if (is_early && (head.status >= kBadRequest || head_pending_) && !request_stopped_) StopRequest();
  keeps_ = head.keep_alive && !is_early && head.framing != ResponseHead::Framing::kUntilEnd;
  is_event_stream_ = head.is_event_stream;
  std::string().swap(request_.head);

  const ForwardedHead told{head.status, head.fields, head.is_event_stream};
  if (std::optional<Response> own = owner_->Replace(told)) {
    report_.response_bytes = 0;
    return Answer(*std::move(own));
  }
  ReplyHead reply;
  reply.status = head.status;
  if (head.has_length && head.status != 204) reply.length = head.content_length;
  reply.lines.reserve(kUsualLines);
  owner_->WriteHead(told, &reply.lines);
  if (stream_ != nullptr) stream_->BeginReply(std::move(reply));
  if (stream_ != nullptr && !bytes.empty()) stream_->Write(std::move(bytes));
  if (state_ != State::kResponse) return;
  if (body_.done()) return Complete(used == rest.size());
  response_paused_ = stream_->queued() > Stream::kHighBytes;
}

void Forwarding::OnBadResponse() {
  ReportFailure();
  Fail(ForwardError::kBadResponse);
}

void Forwarding::BecomeTunnel(const ResponseHead& head, std::string_view rest) {
  ReportSuccess();
  std::string lines;
  owner_->WriteHead({head.status, head.fields}, &lines);
  lines += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  tunnel_ = std::make_unique<Tunnel>(outgoing_, stream_, connection_, *owner_, options(), report_);
  state_ = State::kTunnel;
  report_.status = head.status;
  report_.head = Micros(outgoing_.now() - begun_at_);
  report_.was_tunnel = true;
  std::string().swap(request_.head);
  stream_->Upgrade(std::move(lines));
  if (state_ != State::kTunnel) return;
  owner_->OnTunnel();
  if (outgoing_.draining()) tunnel_->OnDrain(outgoing_.drain_spread());
  tunnel_->Start(rest);
  CheckTunnel();
}

void Forwarding::ReadBody(std::string_view bytes) {
  std::string part;
  part.reserve(bytes.size());
  const std::size_t used = body_.Feed(bytes, &part);
  if (body_.is_bad()) return Truncate();
  report_.response_bytes += part.size();
  if (!part.empty()) stream_->Write(std::move(part));
  if (state_ != State::kResponse) return;
  if (body_.done()) return Complete(used == bytes.size());
  response_paused_ = stream_->queued() > Stream::kHighBytes;
}

void Forwarding::OnUpstreamEnd() {
  if (state_ == State::kRequest) return OnBroken();
  if (body_.End()) return Complete(false);
  Truncate();
}

// The response has been passed on whole. `is_clean`: nothing came behind it.
void Forwarding::Complete(bool is_clean) {
  if (is_clean && keeps_) connection_.Keep(endpoint_, options());
  connection_.Close();
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->End();
  Finish();
}

void Forwarding::Truncate() {
  report_.is_truncated = true;
  connection_.Close();
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->Abort();
  Finish();
}

void Forwarding::CheckTunnel() {
  if (state_ != State::kTunnel || !tunnel_) return;
  const Tunnel::Ending ending = tunnel_->ending();
  if (ending == Tunnel::Ending::kNone) return;
  connection_.Close();
  if (Stream* stream = std::exchange(stream_, nullptr)) {
    tunnel_->Detach();
    if (ending == Tunnel::Ending::kEnd) {
      stream->End();
    } else {
      stream->Abort();
    }
  }
  Finish();
}

}  // namespace gatehouse::http
