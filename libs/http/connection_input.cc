// The reading half of Connection: from bytes to a request in a handler's hands.
#include <algorithm>
#include <exception>
#include <utility>

#include "libs/http/connection.h"
#include "libs/http/request_parser.h"
#include "libs/http/request_rules.h"
#include "libs/http/worker.h"
#include "libs/log/log.h"

namespace gatehouse::http {
namespace {

// The head's views point into a buffer that is about to be reused.
void Fill(const RequestHead& head, const std::string& peer_address, Request* request) {
  request->method = head.method;
  SetTarget(std::string(head.target), request);
  request->minor_version = head.minor_version;
  request->peer_address = peer_address;
  request->headers.reserve(head.fields.size());
  for (const RequestHead::Field& field : head.fields) {
    request->headers.push_back({std::string(field.name), std::string(field.value)});
  }
  if (head.authority.empty()) return;
  for (Header& header : request->headers) {
    if (!SameName(header.name, "host")) continue;
    header.value = head.authority;
    return;
  }
  request->headers.push_back({"Host", std::string(head.authority)});  // Of HTTP/1.0.
}

}  // namespace

bool Connection::WantsInput() const {
  if (input_ended_) return false;
  switch (state_) {
    case State::kHead:
    case State::kBody:
      return channel_.output_size() <= kOutputBytesMax;
    case State::kInHand:
      return input_.size() < kReadAheadBytesMax;
    case State::kStreaming:
      return stream_->WantsBytes() || input_.size() < kReadAheadBytesMax;
    case State::kLingering:
      return true;
    case State::kClosing:
    case State::kClosed:
      return false;
  }
  return false;
}

void Connection::Receive() {
  std::size_t room = Worker::kScratchBytes;
  if (state_ == State::kInHand || (stream_ && !stream_->WantsBytes())) {
    room = kReadAheadBytesMax - input_.size();
  }
  std::size_t count = 0;
  switch (channel_.Receive(worker_->receive_buffer(), room, &count)) {
    case Channel::Io::kBlocked:
      return;
    case Channel::Io::kEnd:
      input_ended_ = true;
      return;
    case Channel::Io::kFailed:
      return Close();
    case Channel::Io::kDone:
      break;
  }
  received_ = true;
  const std::string_view bytes(worker_->receive_buffer(), count);
  if (!input_.empty()) {
    input_.append(bytes);
    ConsumeInput();
    return;
  }
  // Most requests come whole and alone: they are read where they were received.
  const std::size_t used = Consume(bytes);
  if (used < count && state_ != State::kClosed) input_ = bytes.substr(used);
}

bool Connection::ConsumeInput() {
  if (input_.empty()) return false;
  const std::size_t used = Consume(input_);
  if (used == input_.size()) {
    std::string().swap(input_);
  } else {
    input_.erase(0, used);
  }
  return used > 0;
}

std::size_t Connection::Consume(std::string_view input) {
  std::size_t used = 0;
  while (used < input.size()) {
    std::size_t step = 0;
    switch (state_) {
      case State::kHead:
        if (channel_.output_size() > kOutputBytesMax) return used;
        step = ReadHead(input.substr(used));
        break;
      case State::kBody:
        step = ReadBody(input.substr(used));
        break;
      case State::kInHand:
        return used;
      case State::kStreaming:
        step = stream_->Feed(input.substr(used));
        break;
      case State::kClosing:
      case State::kLingering:
      case State::kClosed:
        return input.size();  // Whatever it is, it is not a request.
    }
    if (step == 0) return used;
    used += step;
  }
  return used;
}

std::size_t Connection::ReadHead(std::string_view input) {
  // RFC 9112 section 2.2: an empty line before a request is ignored; we take one.
  if (scanned_ == 0 && !skipped_line_ && input[0] == '\r') {
    if (input.size() == 1) return 0;
    if (input[1] == '\n') {
      skipped_line_ = true;
      return 2;
    }
  }
  const HeadScan scan = ScanHead(input, worker_->limits(), &scanned_);
  if (scan.status == 0 && scan.length == 0) return 0;
  scanned_ = 0;
  skipped_line_ = false;
  if (scan.status != 0) {
    RefuseHead(scan.status, RequestHead());
    return input.size();
  }
  RequestHead* head = worker_->head();
  int status = ParseHead(input.substr(0, scan.length), worker_->limits(), head);
  if (status == 0) status = CheckHead(head);
  if (status != 0) {
    RefuseHead(status, *head);
    return input.size();
  }
  worker_->timers().Disarm(&timer_);  // It counted for this head.
  Begin(*head, input.size() > scan.length);
  return scan.length;
}

void Connection::RefuseHead(int status, const RequestHead& head) {
  form_ = {head.method == "HEAD", false, false};
  Request request;
  Fill(head, peer_address_, &request);
  RefuseRequest(status, request);
}

void Connection::Begin(const RequestHead& head, bool body_follows) {
  form_ = {head.method == "HEAD", head.minor_version == 0, head.keep_alive};
  exchange_ = std::make_shared<PendingExchange>(worker_->mailbox(), worker_, id_);
  Fill(head, peer_address_, exchange_->mutable_request());
  framing_ = head.framing;
  body_left_ = head.content_length;
  const bool chunked = framing_ == RequestHead::Framing::kChunked;
  unread_ = false;
  if (!chunked && body_left_ == 0) return Dispatch();
  ReadBodyAs(PlanBody(), head.expects_continue && !body_follows);
}

BodyPlan Connection::PlanBody() {
  const ServerOptions& options = worker_->options();
  if (!options.body_plan) return {options.body_bytes_max, false};
  try {
    return options.body_plan(exchange_->request());
  } catch (const std::exception& error) {
    log::Error("a body plan threw", {{"error", error.what()}});
    return {options.body_bytes_max, false};
  }
}

void Connection::ReadBodyAs(const BodyPlan& plan, bool expects_continue) {
  const bool chunked = framing_ == RequestHead::Framing::kChunked;
  if (!chunked && body_left_ > plan.bytes_max) return Refuse(413);
  body_bytes_max_ = plan.bytes_max;
  chunks_ = ChunkDecoder();
  if (plan.streams) {
    Request* request = exchange_->mutable_request();
    request->body_follows = true;
    if (!chunked) request->body_length = body_left_;
    unread_ = true;
    awaits_continue_ = expects_continue;
    return Dispatch();
  }
  if (expects_continue) channel_.output().Add("HTTP/1.1 100 Continue\r\n\r\n");
  state_ = State::kBody;
}

std::size_t Connection::ReadBody(std::string_view input) {
  std::string* body = &exchange_->mutable_request()->body;
  if (framing_ == RequestHead::Framing::kLength) {
    const std::size_t used = std::min<std::uint64_t>(body_left_, input.size());
    body->append(input.substr(0, used));
    body_left_ -= used;
    if (body_left_ == 0) Dispatch();
    return used;
  }
  const std::size_t used = chunks_.Feed(input, body_bytes_max_, body);
  if (chunks_.status() != 0) {
    Refuse(chunks_.status());
    return input.size();
  }
  if (chunks_.done()) Dispatch();
  return used;
}

void Connection::Dispatch() {
  state_ = State::kInHand;
  ++number_;
  worker_->CountRequest();
  exchange_->Open(number_);
  try {
    worker_->handler()(std::move(exchange_));
  } catch (const std::exception& error) {
    // The exchange went with the handler's frame and is answered with 500.
    log::Error("a handler threw", {{"error", error.what()}});
  }
  if (state_ == State::kInHand && channel_.ended()) CallGone();
}

}  // namespace gatehouse::http
