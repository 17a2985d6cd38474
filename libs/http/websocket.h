// A WebSocket that ends here (RFC 6455): handshake, frames by libwslay, pings,
// close. Holds a frame context only while a message is under way, so that an idle
// socket costs little. No extensions. Not the tunnel of a proxied one (forward.h).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/server.h"
#include "libs/http/stream.h"

namespace gatehouse::http {

struct WebSocketOptions {
  std::size_t message_bytes_max = 1 << 20;   // Of what the client sends: 1009 above.
  std::size_t queue_bytes_max = 256 * 1024;  // Of what waits for it: Send says false above.
  std::chrono::milliseconds ping_interval{30000};
  std::chrono::milliseconds pong_timeout{20000};  // Then it counts as gone.
  std::chrono::milliseconds close_timeout{5000};  // For the client's answer to our close.
};

class WebSocket;

// Called on the worker, one at a time.
class WebSocketOwner {
 public:
  virtual ~WebSocketOwner() = default;
  // `socket` lives until OnClosed returns.
  virtual void OnOpen(WebSocket* socket) = 0;
  virtual void OnMessage(std::string_view message, bool is_text) = 0;
  // Every StreamOwner::kTick.
  virtual void OnTick(SteadyTime now) = 0;
  // What waits has fallen below Stream::kLowBytes after a Send was refused.
  virtual void OnWritable() {}
  // See StreamOwner::OnDrain.
  virtual void OnDrain(std::chrono::milliseconds spread) = 0;
  // Once, last. `code`: what the client closed with, 1005 without one, what it was
  // closed with for a breach of the protocol, 1006 when the connection broke.
  virtual void OnClosed(int code) = 0;
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // A whole text message. False: the queue is full, nothing was queued.
  virtual bool SendText(std::string_view text) = 0;
  // Sends a close frame and waits a while for its answer. Messages that come
  // meanwhile are dropped. `reason`: at most 123 bytes of UTF-8.
  virtual void Close(int code, std::string_view reason) = 0;
  virtual std::size_t queued() const = 0;
};

// What is wrong with a request that asks for a WebSocket: 0, 400 for a broken
// handshake, 426 when it asks for none or for another version.
int CheckHandshake(const Request& request);

// The subprotocols that the client offers, in order.
std::vector<std::string> OfferedSubprotocols(const Request& request);

// Answers 101 and hands the socket to `owner`. The handshake has been checked.
// `lines` are further header lines; `subprotocol` one of those offered, or "". On
// the exchange's worker. When the client has left already, nothing is called.
void AcceptWebSocket(const std::shared_ptr<Exchange>& exchange, std::string lines,
                     const std::string& subprotocol, const WebSocketOptions& options,
                     std::shared_ptr<WebSocketOwner> owner);

}  // namespace gatehouse::http
