// All that is left of Pistache at the listener: threads with one epoll each, and
// the sockets of clients as its transport's peers. It reads and writes none of
// them and knows no HTTP. Only this file and reactor.cc include Pistache.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::http {

// What a loop may ask of its thread's epoll: while it is attached, then only on
// its own thread.
class Poller {
 public:
  virtual ~Poller() = default;

  // A descriptor of the caller's, level-triggered for reading. False on failure.
  virtual bool Watch(int fd, std::uint64_t token) = 0;
  virtual void Unwatch(int fd) = 0;

  // Takes over a connected socket, edge-triggered both ways. On false it is closed.
  virtual bool AddPeer(int fd, const sockaddr* address, std::uint64_t token) = 0;
  // Closes it.
  virtual void RemovePeer(int fd) = 0;

  // A socket of the caller's, edge-triggered both ways. Closing it ends the watch.
  virtual bool WatchBothWays(int fd, std::uint64_t token) = 0;
};

// What happens on one thread.
class Loop {
 public:
  struct Event {
    std::uint64_t token;  // Below 2^63; may be that of a peer removed in this batch.
    bool readable;
    bool writable;
    bool ended;  // The other side has shut, or the connection is broken.
  };

  virtual ~Loop() = default;

  // Once, before the thread runs. False gives the start up.
  virtual bool Attach(Poller* poller) = 0;
  virtual void OnEvents(const std::vector<Event>& events) = 0;
};

class Reactor {
 public:
  // One thread per loop; the loops must outlive the reactor.
  static absl::StatusOr<std::unique_ptr<Reactor>> Start(const std::vector<Loop*>& loops);

  // Stops and joins the threads, after the batch in hand.
  ~Reactor();

 private:
  Reactor();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::http
