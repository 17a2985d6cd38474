#include "libs/http/connection_stream.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "libs/http/connection.h"
#include "libs/http/response_writer.h"
#include "libs/http/worker.h"
#include "libs/log/log.h"

namespace gatehouse::http {

// An owner's mistake costs its own exchange only.
template <typename Callback>
void ConnectionStream::Call(const Callback& callback) {
  try {
    callback(*owner_);
  } catch (const std::exception& error) {
    AbortFor(error.what());
  }
}

void ConnectionStream::AbortFor(const char* why) {
  log::Error("a streamed exchange was broken off by its owner's fault", {{"error", why}});
  Abort();
}

void ConnectionStream::ReadBody() {
  if (connection_ == nullptr || std::exchange(reading_, true)) return;
  Connection& connection = *connection_;
  connection.received_ = true;  // The client's time begins anew.
  if (std::exchange(connection.awaits_continue_, false) && !begun_ && connection.input_.empty()) {
    connection.channel_.output().Add("HTTP/1.1 100 Continue\r\n\r\n");
  }
  connection.Flush();
}

bool ConnectionStream::body_done() const {
  if (upgraded_) return told_end_;
  return connection_ == nullptr || !connection_->unread_;
}

bool ConnectionStream::WantsBytes() const {
  return reading_ && !body_refused_ && (upgraded_ || connection_->unread_);
}

std::size_t ConnectionStream::Feed(std::string_view input) {
  if (!WantsBytes()) return 0;
  if (upgraded_) {
    Call([&](StreamOwner& owner) { owner.OnBody(input, false); });
    return input.size();
  }
  if (connection_->framing_ == RequestHead::Framing::kLength) return FeedLength(input);
  return FeedChunks(input);
}

std::size_t ConnectionStream::FeedLength(std::string_view input) {
  const std::size_t used = std::min<std::uint64_t>(connection_->body_left_, input.size());
  connection_->body_left_ -= used;
  const bool is_last = connection_->body_left_ == 0;
  if (is_last) connection_->unread_ = false;
  Call([&](StreamOwner& owner) { owner.OnBody(input.substr(0, used), is_last); });
  return used;
}

std::size_t ConnectionStream::FeedChunks(std::string_view input) {
  ChunkDecoder& chunks = connection_->chunks_;
  std::string decoded;
  decoded.reserve(input.size());
  const std::size_t used = chunks.Feed(input, connection_->body_bytes_max_ - body_bytes_, &decoded);
  if (chunks.status() != 0) {
    RefuseBody(chunks.status());
    return input.size();
  }
  body_bytes_ += decoded.size();
  const bool is_last = chunks.done();
  if (is_last) connection_->unread_ = false;
  if (is_last || !decoded.empty()) {
    Call([&](StreamOwner& owner) { owner.OnBody(decoded, is_last); });
  }
  return used;
}

void ConnectionStream::RefuseBody(int status) {
  body_refused_ = true;
  Call([&](StreamOwner& owner) { owner.OnBodyRefused(status); });
}

bool ConnectionStream::Serve() {
  Connection& connection = *connection_;
  if (connection.worker_->draining() && !std::exchange(told_drain_, true)) {
    const std::chrono::milliseconds spread = connection.worker_->drain_spread();
    Call([&](StreamOwner& owner) { owner.OnDrain(spread); });
    return true;
  }
  if (overfull_ && queued() < kLowBytes) {
    overfull_ = false;
    Call([](StreamOwner& owner) { owner.OnWritable(); });
    return true;
  }
  if (!upgraded_ || !connection.input_ended_ || !connection.input_.empty()) return false;
  if (!reading_ || std::exchange(told_end_, true)) return false;
  Call([](StreamOwner& owner) { owner.OnBody({}, true); });
  return true;
}

bool ConnectionStream::IsForsaken() const {
  const Connection& connection = *connection_;
  if (!connection.channel_.ended()) return false;
  if (!upgraded_) {
    // Nobody can tell one that still listens from one that has gone away, and a
    // stream may go on for hours.
    if (!connection.unread_) return true;
    if (connection.input_ended_ && connection.input_.empty()) return true;
  }
  return !connection.WantsInput() && connection.channel_.IsBroken();
}

void ConnectionStream::Tick(SteadyTime now) {
  Call([&](StreamOwner& owner) { owner.OnTick(now); });
}

void ConnectionStream::Leave() {
  connection_ = nullptr;
  unlink();
  Call([](StreamOwner& owner) { owner.OnClosed(); });
}

void ConnectionStream::BeginReply(ReplyHead head) {
  if (connection_ == nullptr) return;
  if (std::exchange(begun_, true)) return AbortFor("a reply was begun twice");
  Connection& connection = *connection_;
  ReplyForm& form = connection.form_;
  sends_body_ = !form.without_body && head.status != 204 && head.status != 304;
  counted_ = sends_body_ && head.length.has_value();
  if (counted_) left_ = *head.length;
  chunked_ = sends_body_ && !counted_ && !form.http_1_0;
  until_close_ = sends_body_ && !counted_ && form.http_1_0;
  if (until_close_) form.keep_alive = false;
  // Whoever has its answer before it has sent everything is told to stop.
  if (connection.unread_ || (connection.worker_->draining() && form.keep_alive)) {
    connection.EndAfterReply();
  }
  std::string bytes = FormatHead(std::move(head), chunked_, form, connection.worker_->date_line());
  if (bytes.empty()) return AbortFor("the head of a reply would break its framing");
  connection.channel_.output().Append(std::move(bytes));
  if (queued() > kHighBytes) overfull_ = true;  // By the replies before it, mostly.
  connection.Flush();
}

void ConnectionStream::Write(std::string bytes) {
  if (connection_ == nullptr || bytes.empty()) return;
  if (!begun_) return AbortFor("a part of a reply was written before its head");
  OutputQueue& output = connection_->channel_.output();
  if (upgraded_ || until_close_) {
    output.Append(std::move(bytes));
  } else if (chunked_) {
    AppendChunk(std::move(bytes), &output);
  } else if (counted_) {
    if (bytes.size() > left_) return AbortFor("a reply is longer than was announced");
    left_ -= bytes.size();
    output.Append(std::move(bytes));
  }
  if (output.size() > kHighBytes) overfull_ = true;
  connection_->Flush();
}

std::size_t ConnectionStream::queued() const {
  return connection_ == nullptr ? 0 : connection_->channel_.output_size();
}

void ConnectionStream::End() {
  if (connection_ == nullptr) return;
  if (!begun_) return AbortFor("an exchange ended without a reply");
  if (counted_ && left_ > 0) return AbortFor("a reply is shorter than was announced");
  Connection& connection = *connection_;
  if (chunked_) connection.channel_.output().Append("0\r\n\r\n");
  if (connection.unread_ || upgraded_) connection.EndAfterReply();
  Detach();
  connection.OnReplied();
}

void ConnectionStream::Abort() {
  if (connection_ == nullptr) return;
  Connection& connection = *connection_;
  // Where the end of the connection ends the reply, only a reset tells the client.
  if (until_close_ || upgraded_) connection.channel_.ResetWhenClosed();
  Detach();
  connection.Close();
}

void ConnectionStream::Upgrade(std::string lines) {
  if (connection_ == nullptr) return;
  if (begun_ || connection_->unread_) return AbortFor("a connection was turned over too late");
  if (!AreWholeLines(lines)) return AbortFor("the head of a 101 would break its framing");
  begun_ = upgraded_ = true;
  connection_->form_.keep_alive = false;
  connection_->channel_.output().Append("HTTP/1.1 101 Switching Protocols\r\n" + lines + "\r\n");
  if (queued() > kHighBytes) overfull_ = true;
  connection_->Flush();
}

void ConnectionStream::Detach() {
  Connection& connection = *std::exchange(connection_, nullptr);
  unlink();
  connection.worker_->Bury(std::move(connection.stream_));
}

}  // namespace gatehouse::http
