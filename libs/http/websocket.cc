#include "libs/http/websocket.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "libs/http/websocket_frames.h"
#include "libs/http/websocket_handshake.h"
#include "libs/log/log.h"

namespace gatehouse::http {
namespace {

constexpr std::size_t kReasonBytesMax = 123;

// Lives as long as the connection under it. Every way in keeps `self`: what the
// owner or the stream does may end both.
class Socket final : public WebSocket,
                     public StreamOwner,
                     public FrameReader::Sink,
                     public std::enable_shared_from_this<Socket> {
 public:
  Socket(const WebSocketOptions& options, std::shared_ptr<WebSocketOwner> owner)
      : options_(options), owner_(std::move(owner)), reader_(options.message_bytes_max) {}
  // The stream ends itself without a word when one of the calls to it went wrong.
  ~Socket() override {
    if (std::exchange(stream_, nullptr) != nullptr) TellOwnerItIsBroken();
  }

  void Open(Stream* stream, std::string lines) {
    const auto self = shared_from_this();
    stream_ = stream;
    next_ping_ = std::chrono::steady_clock::now() + options_.ping_interval;
    stream_->Upgrade(std::move(lines));
    if (stream_ != nullptr) owner_->OnOpen(this);
    if (stream_ != nullptr) stream_->ReadBody();
  }

  // WebSocket
  bool SendText(std::string_view text) override;
  void Close(int code, std::string_view reason) override;
  std::size_t queued() const override {
    return pending_.size() + (stream_ == nullptr ? 0 : stream_->queued());
  }

  // StreamOwner
  void OnBody(std::string_view bytes, bool is_last) override;
  void OnBodyRefused(int) override { Break(); }
  void OnWritable() override;
  void OnTick(SteadyTime now) override;
  void OnDrain(std::chrono::milliseconds spread) override {
    const auto self = shared_from_this();
    if (stream_ != nullptr) owner_->OnDrain(spread);
  }
  void OnClosed() override { Finish(kCloseAbnormal, nullptr); }

  // FrameReader::Sink
  void OnMessage(std::string_view message, bool is_text) override {
    if (stream_ != nullptr && !is_closing_) owner_->OnMessage(message, is_text);
  }
  void OnPing(std::string_view payload) override {
    if (stream_ != nullptr && !is_closing_) Send(FrameKind::kPong, payload);
  }
  void OnPong() override {}  // Like anything that the client says, a sign of life.
  void OnClose(int code) override;

 private:
  void Send(FrameKind kind, std::string_view payload);
  void SendClose(int code, std::string_view reason);
  void Flush();
  void Keep(SteadyTime now);
  void TellWritable();
  void TellOwnerItIsBroken();
  std::size_t LowBytes() const { return std::min(Stream::kLowBytes, options_.queue_bytes_max / 2); }
  // The connection can serve no further.
  void Break() { Finish(kCloseAbnormal, &Stream::Abort); }
  void Finish(int code, void (Stream::*end)());

  const WebSocketOptions options_;
  const std::shared_ptr<WebSocketOwner> owner_;
  Stream* stream_ = nullptr;  // Null before Open and once OnClosed has been called.
  FrameReader reader_;
  std::string pending_;  // Frames made while input is being read: sent as one piece.
  bool is_reading_ = false;
  bool is_paused_ = false;   // The client does not take its pongs.
  bool is_closing_ = false;  // Our close frame is out.
  bool was_refused_ = false;
  bool awaits_life_ = false;  // A ping is out, and nothing has come since.
  SteadyTime next_ping_;
  SteadyTime deadline_;  // Of the sign of life, or of the answer to our close.
};

bool Socket::SendText(std::string_view text) {
  if (stream_ == nullptr || is_closing_) return false;
  const auto self = shared_from_this();
  const std::size_t waiting = queued();
  if (waiting > 0 && waiting + text.size() > options_.queue_bytes_max) {
    was_refused_ = true;
    return false;
  }
  Send(FrameKind::kText, text);
  return true;
}

void Socket::Close(int code, std::string_view reason) {
  if (stream_ == nullptr || is_closing_) return;
  const auto self = shared_from_this();
  deadline_ = std::chrono::steady_clock::now() + options_.close_timeout;
  SendClose(code, reason);
}

void Socket::SendClose(int code, std::string_view reason) {
  is_closing_ = true;
  std::string payload;
  if (code != kCloseNoCode) {
    payload += static_cast<char>(code >> 8);
    payload += static_cast<char>(code);
    payload += reason.substr(0, kReasonBytesMax);
  }
  Send(FrameKind::kClose, payload);
}

void Socket::Send(FrameKind kind, std::string_view payload) {
  AppendFrame(kind, payload, &pending_);
  if (!is_reading_) Flush();
}

void Socket::Flush() {
  if (pending_.empty() || stream_ == nullptr) return;
  stream_->Write(std::exchange(pending_, std::string()));
}

void Socket::OnBody(std::string_view bytes, bool is_last) {
  const auto self = shared_from_this();
  if (stream_ == nullptr) return;
  if (!bytes.empty()) awaits_life_ = false;
  is_reading_ = true;
  const int breach = reader_.Feed(bytes, this);
  is_reading_ = false;
  if (breach != 0 && stream_ != nullptr) {
    if (!is_closing_) SendClose(breach, "");
    return Finish(breach, &Stream::End);
  }
  Flush();
  if (stream_ == nullptr) return;
  if (is_last) return Finish(kCloseAbnormal, &Stream::End);
  if (!is_paused_ && stream_->queued() > Stream::kHighBytes) {
    is_paused_ = true;
    stream_->PauseBody();
  }
}

void Socket::OnClose(int code) {
  if (stream_ == nullptr) return;
  if (!is_closing_) SendClose(code, "");
  Finish(code, &Stream::End);
}

void Socket::OnWritable() {
  const auto self = shared_from_this();
  if (stream_ != nullptr && is_paused_ && stream_->queued() < Stream::kLowBytes) {
    is_paused_ = false;
    stream_->ReadBody();
  }
  TellWritable();
}

void Socket::TellWritable() {
  if (stream_ == nullptr || !was_refused_ || is_closing_ || queued() >= LowBytes()) return;
  was_refused_ = false;
  owner_->OnWritable();
}

void Socket::OnTick(SteadyTime now) {
  const auto self = shared_from_this();
  Keep(now);
  // The queue may have been full below the stream's own mark.
  OnWritable();
  if (stream_ != nullptr) owner_->OnTick(now);
}

// Pings, and gives up on who does not answer.
void Socket::Keep(SteadyTime now) {
  if (stream_ == nullptr) return;
  // The ping may be waiting behind what a slow client still takes; the connection sees to
  // one that takes nothing.
  if (awaits_life_ && !is_closing_ && queued() > 0) deadline_ = now + options_.pong_timeout;
  if ((is_closing_ || awaits_life_) && now >= deadline_) return Break();
  if (is_closing_ || awaits_life_ || now < next_ping_) return;
  next_ping_ = now + options_.ping_interval;
  deadline_ = now + options_.pong_timeout;
  awaits_life_ = true;
  Send(FrameKind::kPing, "");
}

// Nobody is left who could catch what it throws.
void Socket::TellOwnerItIsBroken() {
  try {
    owner_->OnClosed(kCloseAbnormal);
  } catch (const std::exception& error) {
    log::Error("a WebSocket's owner threw when told of its end", {{"error", error.what()}});
  }
}

void Socket::Finish(int code, void (Stream::*end)()) {
  const auto self = shared_from_this();
  if (stream_ == nullptr) return;
  is_reading_ = false;
  if (end != nullptr) Flush();
  if (stream_ == nullptr) return;  // The write has broken it, and all was said.
  Stream* const stream = std::exchange(stream_, nullptr);
  pending_ = std::string();
  owner_->OnClosed(code);
  if (end != nullptr) (stream->*end)();
}

}  // namespace

void AcceptWebSocket(const std::shared_ptr<Exchange>& exchange, std::string lines,
                     const std::string& subprotocol, const WebSocketOptions& options,
                     std::shared_ptr<WebSocketOwner> owner) {
  std::string head = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ";
  head += AcceptFor(exchange->request().Find("Sec-WebSocket-Key").value_or("")) + "\r\n";
  if (!subprotocol.empty()) head += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n";
  head += lines;
  const auto socket = std::make_shared<Socket>(options, std::move(owner));
  Stream* const stream = exchange->OpenStream(socket);
  if (stream != nullptr) socket->Open(stream, std::move(head));
}

}  // namespace gatehouse::http
