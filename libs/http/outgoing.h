// What the side towards upstreams may use of a worker: sockets in its reactor, its
// buffer, its time, its pool of idle connections. On the worker's thread only.
// Internal to libs/http.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "libs/base/clock.h"

namespace gatehouse::http {

class UpstreamPool;

// Whom the events of a socket go to.
class SocketSink {
 public:
  virtual ~SocketSink() = default;
  // As Connection::OnReady: edges; `ended` when the other side has shut or it broke.
  virtual void OnReady(bool readable, bool writable, bool ended) = 0;
};

// Of one socket of one worker; never given twice.
using SocketId = std::uint64_t;

class Outgoing {
 public:
  virtual ~Outgoing() = default;

  // Takes over a non-blocking socket, edge-triggered both ways, connected or not yet.
  // 0 on failure, and then it is closed.
  virtual SocketId AddSocket(int fd, const sockaddr* address, SocketSink* sink) = 0;
  // Sends the events elsewhere from now on.
  virtual void SetSink(SocketId id, SocketSink* sink) = 0;
  // Closes it. No event comes afterwards, not even from the batch in hand.
  virtual void CloseSocket(SocketId id) = 0;

  // Calls `work` at the end of the batch in hand.
  virtual void Defer(std::function<void()> work) = 0;

  virtual char* scratch() = 0;  // Worker::kScratchBytes; contents end with the call.
  virtual SteadyTime now() const = 0;
  virtual const std::string& date_line() = 0;  // "Date: …\r\n"
  virtual UpstreamPool& pool() = 0;
  virtual bool draining() const = 0;
  virtual std::chrono::milliseconds drain_spread() const = 0;  // See StreamOwner::OnDrain.
};

}  // namespace gatehouse::http
