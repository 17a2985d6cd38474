// How a forwarding finds a connection, and how it ends.
#include "libs/http/forwarding.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "libs/http/exchange.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

constexpr int kBadGateway = 502;
constexpr int kUnavailable = 503;
constexpr int kGatewayTimeout = 504;

int StatusOf(ForwardError error) {
  switch (error) {
    case ForwardError::kNone:
    case ForwardError::kNoEndpoint:
    case ForwardError::kUnreachable:
    case ForwardError::kBadResponse:
    case ForwardError::kBroken:
    case ForwardError::kBodyRefused:
      return kBadGateway;
    case ForwardError::kBreakerOpen:
      return kUnavailable;
    case ForwardError::kHeadTimeout:
      return kGatewayTimeout;
  }
  return kBadGateway;
}

// RFC 9110 section 8.6: a server may wait for the length of these.
bool AnticipatesBody(const std::string& method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

void AppendLength(std::uint64_t length, std::string* lines) {
  char digits[24];
  const char* end = std::to_chars(digits, digits + sizeof digits, length).ptr;
  *lines += "Content-Length: ";
  lines->append(digits, static_cast<std::size_t>(end - digits));
  *lines += "\r\n";
}

}  // namespace

Forwarding::Forwarding(Outgoing& outgoing, ForwardRequest request,
                       std::shared_ptr<ForwardOwner> owner)
    : outgoing_(outgoing),
      request_(std::move(request)),
      owner_(std::move(owner)),
      connection_(outgoing) {}

// The stream ends itself without a word when one of the calls to it went wrong.
Forwarding::~Forwarding() {
  if (state_ != State::kDone) OnClosed();
}

void Forwarding::Start(const std::shared_ptr<Exchange>& exchange, Stream* stream) {
  stream_ = stream;
  const Request& request = exchange->request();
  answers_head_ = request.method == "HEAD";
  PlanBody(exchange);
  CompleteHead(request);
  if (body_form_ == BodyForm::kWhole) {
    report_.request_bytes = request.body.size();
    if (const int status = owner_->CheckBody(request.body, true)) return Refuse(status);
  }
  TryNext();
}

void Forwarding::PlanBody(const std::shared_ptr<Exchange>& exchange) {
  const Request& request = exchange->request();
  if (request.body_follows && request.body_length) {
    body_form_ = BodyForm::kLength;
    body_left_ = *request.body_length;
  } else if (request.body_follows) {
    body_form_ = BodyForm::kChunked;
  } else if (!request.body.empty()) {
    body_form_ = BodyForm::kWhole;
    whole_ = exchange;
  }
  if (body_form_ != BodyForm::kNone) request_.upgrades = false;
}

void Forwarding::CompleteHead(const Request& request) {
  std::string& head = request_.head;
  if (body_form_ == BodyForm::kLength) {
    AppendLength(body_left_, &head);
  } else if (body_form_ == BodyForm::kChunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (body_form_ == BodyForm::kWhole || AnticipatesBody(request.method)) {
    AppendLength(request.body.size(), &head);
  }
  if (request_.upgrades) head += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  head += "\r\n";
}

void Forwarding::TryNext() {
  milliseconds retry_after{0};
  std::shared_ptr<Endpoint> next =
      request_.group->Pick(outgoing_.now(), tried_, &retry_after, &is_probe_);
  if (next == nullptr) {
    // It may be this request's own failures that have opened the breaker.
    if (connects_ > 0) return Fail(ForwardError::kUnreachable);
    const bool is_open = retry_after > milliseconds(0);
    return Fail(is_open ? ForwardError::kBreakerOpen : ForwardError::kNoEndpoint, retry_after);
  }
  endpoint_ = std::move(next);
  owes_report_ = true;
  report_.endpoint = endpoint_->name;
  if (std::find(tried_.begin(), tried_.end(), endpoint_->id) != tried_.end()) {
    state_ = State::kWaiting;
    retry_at_ = outgoing_.now() + options().retry_backoff;
    return;
  }
  if (!connection_.Reuse(*endpoint_, this)) return Connect();
  ++report_.attempts;
  SendRequest();
}

void Forwarding::Connect() {
  ++report_.attempts;
  ++connects_;
  state_ = State::kConnecting;
  attempt_at_ = outgoing_.now();
  switch (connection_.Connect(*endpoint_, this)) {
    case UpstreamConnection::Begun::kDone:
      return;
    case UpstreamConnection::Begun::kRefused:
      return OnUnreachable();
    case UpstreamConnection::Begun::kLacking:
      // Trying again would only take more, and the upstream has done nothing wrong.
      ReportNothing();
      return Fail(ForwardError::kUnreachable);
  }
}

void Forwarding::OnUnreachable() {
  connection_.Close();
  ReportFailure();
  if (connects_ >= options().attempts_max) return Fail(ForwardError::kUnreachable);
  tried_.push_back(endpoint_->id);
  TryNext();
}

// Before the response's head. A server may have closed an idle connection at the
// moment in which it was used again: then it has not seen the request.
void Forwarding::OnBroken() {
  const bool was_idle = connection_.is_reused() && !received_;
  const bool retries = was_idle && !retried_ && options().retries && request_.is_idempotent &&
                       body_form_ == BodyForm::kNone;
  connection_.Close();
  if (retries) {
    retried_ = true;
    return Connect();
  }
  if (!was_idle) ReportFailure();
  Fail(ForwardError::kBroken);
}

void Forwarding::OnTick(SteadyTime now) {
  if (state_ != State::kTunnel) return CheckDeadlines(now);
  tunnel_->OnTick(now);
  CheckTunnel();
}

void Forwarding::CheckDeadlines(SteadyTime now) {
  switch (state_) {
    case State::kWaiting:
      if (now >= retry_at_) Connect();
      return;
    case State::kConnecting:
      if (now - attempt_at_ >= options().connect_timeout) OnUnreachable();
      return;
    case State::kRequest:
      return CheckRequestDeadlines(now);
    case State::kResponse:
      // A client that does not read has its own time, and so have we while it does not.
      if (response_paused_ || stream_->queued() > 0) moved_at_ = now;
      if (is_event_stream_) return CheckEventStream(now);
      if (now - moved_at_ >= options().idle_timeout) Truncate();
      return;
    case State::kTunnel:
    case State::kDone:
      return;
  }
}

void Forwarding::CheckRequestDeadlines(SteadyTime now) {
  bool is_late = false;
  if (request_stopped_ || (request_given_ && connection_.queued() == 0)) {
    is_late = now - sent_at_ >= options().head_timeout;
  } else if (connection_.queued() > 0) {
    is_late = now - moved_at_ >= options().idle_timeout;
  }  // Else it is the client that sends nothing, and the stream sees to that.
  if (!is_late) return;
  ReportFailure();
  Fail(ForwardError::kHeadTimeout);
}

// Events never end by themselves, and their readers come back.
void Forwarding::CheckEventStream(SteadyTime now) {
  if (owner_->CheckOpen(now) != 0) return Complete(false);
  if (!outgoing_.draining()) return;
  if (!drain_at_) drain_at_ = now + DrainJitter(this, now, outgoing_.drain_spread());
  if (now >= *drain_at_) Complete(false);
}

void Forwarding::OnDrain(milliseconds spread) {
  if (tunnel_) tunnel_->OnDrain(spread);
}

void Forwarding::OnClosed() {
  stream_ = nullptr;
  if (state_ == State::kDone) return;
  if (tunnel_) tunnel_->Detach();
  report_.client_left = true;
  Finish();
}

void Forwarding::ReportSuccess() {
  if (!std::exchange(owes_report_, false)) return;
  request_.group->ReportSuccess(*endpoint_, is_probe_);
}

void Forwarding::ReportFailure() {
  if (!std::exchange(owes_report_, false)) return;
  request_.group->ReportFailure(*endpoint_, outgoing_.now(), is_probe_);
}

void Forwarding::ReportNothing() {
  if (!std::exchange(owes_report_, false)) return;
  request_.group->ReportNothing(is_probe_);
}

void Forwarding::Refuse(int status) {
  report_.error = ForwardError::kBodyRefused;
  if (state_ == State::kResponse) return Truncate();
  Answer(owner_->MakeFailure(ForwardError::kBodyRefused, status, milliseconds(0)));
}

void Forwarding::Fail(ForwardError error, milliseconds retry_after) {
  report_.error = error;
  Answer(owner_->MakeFailure(error, StatusOf(error), retry_after));
}

void Forwarding::Answer(Response response) {
  connection_.Close();
  ReplyHead head;
  head.status = response.status;
  head.length = response.body.size();
  for (const Header& header : response.headers) {
    head.lines += header.name + ": " + header.value + "\r\n";
  }
  report_.status = response.status;
  if (stream_ != nullptr) stream_->BeginReply(std::move(head));
  if (stream_ != nullptr && !answers_head_) stream_->Write(std::move(response.body));
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->End();
  Finish();
}

// Nothing is called afterwards, neither by the stream nor by the socket.
void Forwarding::Finish() {
  if (state_ == State::kDone) return;
  state_ = State::kDone;
  connection_.Close();
  ReportNothing();
  stream_ = nullptr;
  whole_.reset();
  const std::shared_ptr<ForwardOwner> owner = std::move(owner_);
  owner->Done(report_);
}

}  // namespace gatehouse::http
