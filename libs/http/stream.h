// An exchange whose reply is written piece by piece: what its owner hears and may
// do. Serves answers of unknown length (events), proxied ones, and connections
// that become something else (WebSocket). All of it happens on the exchange's
// worker, one call at a time. Knows nothing of upstreams.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/clock.h"

namespace gatehouse::http {

// The beginning of a streamed reply.
struct ReplyHead {
  int status = 200;
  // Whole lines, each with its CRLF: "Content-Type: text/event-stream\r\n…". Without
  // framing and Connection; a Date is added where there is none.
  std::string lines;
  // What will be written altogether. nullopt: chunked, or until the end of the
  // connection for HTTP/1.0. For HEAD, 204 and 304 it is only announced, if at all.
  std::optional<std::uint64_t> length;
};

// Whom a stream belongs to. May be destroyed by nobody but the stream, after the
// call in which it ended.
class StreamOwner {
 public:
  virtual ~StreamOwner() = default;

  // The next part of the request's body, taken out of its framing; `is_last` may
  // come with an empty part, once. Not called where no body followed the head. After
  // Upgrade: bytes as they came, `is_last` when the client has ended its side.
  virtual void OnBody(std::string_view bytes, bool is_last) = 0;

  // The body breaks its framing, comes too slowly or is too large: 400, 408, 413, 431.
  // No more of it will come. The owner replies and ends, or aborts.
  virtual void OnBodyRefused(int status) = 0;

  // queued() has fallen below kLowBytes after it was above kHighBytes.
  virtual void OnWritable() {}

  // Every kTick while the stream is open: for deadlines of the owner's own.
  virtual void OnTick(SteadyTime now) = 0;

  // The server has begun to drain: end when it suits you, but soon. What would never end
  // by itself ends at a moment of its own within `spread`, so that clients do not all
  // come back at once, and leaves the rest of the grace time to the end itself.
  virtual void OnDrain(std::chrono::milliseconds /*spread*/) {}

  // The client has left, or the connection broke. The stream is gone. Comes at most
  // once, and not after End or Abort. One that ends its own side behind its request
  // counts as having left, as with other proxies: nobody can tell, and streams are
  // long. Not so after Upgrade, and not before its body was read.
  virtual void OnClosed() = 0;

  static constexpr std::chrono::milliseconds kTick{250};
};

// The connection under a streamed exchange. Gone after End, Abort or OnClosed. A
// method may call back into the owner.
class Stream {
 public:
  static constexpr std::size_t kHighBytes = 256 * 1024;
  static constexpr std::size_t kLowBytes = 64 * 1024;

  virtual ~Stream() = default;

  // Has the body delivered, from here on or again; sends 100 Continue first if the
  // client waits for it. Paused is the state at the beginning; then no more than 64 KiB
  // are read ahead. After Upgrade the same two govern the bytes.
  virtual void ReadBody() = 0;
  virtual void PauseBody() = 0;
  virtual bool body_done() const = 0;

  // Once, before Write. The head goes out with the first Write, with End, or at the
  // end of the batch.
  virtual void BeginReply(ReplyHead head) = 0;
  virtual bool has_begun() const = 0;

  // A part of the reply's body (framed here), or, after Upgrade, bytes as they are.
  // With a length, no more than it in all: that aborts. Nothing is refused: who writes
  // looks at queued() and waits for OnWritable.
  virtual void Write(std::string bytes) = 0;
  virtual std::size_t queued() const = 0;

  // The reply is complete: the connection goes on to its next request, or ends where
  // the body was not read whole. Less than the length, or no reply at all, aborts.
  // After Upgrade: ends after what is queued.
  virtual void End() = 0;
  // The reply cannot be completed; the client must notice. At once.
  virtual void Abort() = 0;

  // Turns the connection over: 101 with these lines (Connection and Upgrade included),
  // then bytes both ways. Nothing of a pipelined request is lost: it is delivered.
  virtual void Upgrade(std::string lines) = 0;
};

}  // namespace gatehouse::http
