// The sockets and event streams that end at this gateway: who has how many, which
// worker holds which, and the hand-over of events from the hub to the workers, one
// call per worker and batch. The protocol on a socket is its session's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/http/server.h"
#include "services/gateway/error_page.h"
#include "services/gateway/event_hub.h"
#include "services/gateway/status_source.h"

namespace gatehouse::gateway {

// What a worker calls with each event, on its own thread.
class EventListener {
 public:
  virtual ~EventListener() = default;
  virtual void OnEvent(const LiveEventPtr& event) = 0;
};

class LiveSockets {
 public:
  explicit LiveSockets(EventHub& hub);
  ~LiveSockets();

  // The server whose workers hold the sockets. Before the first request; nullptr before
  // it is destroyed.
  void Attach(http::Server* server);

  // A place among the sockets of `user_id`: held until the handle goes. nullptr when
  // the user has `most` already. Thread-safe.
  std::shared_ptr<void> TakePlace(const std::string& user_id, int most);

  // On the worker `worker` only. `listener` must be removed before it is destroyed.
  void Add(int worker, EventListener* listener);
  void Remove(int worker, EventListener* listener);

  // LiveEvent::number of the latest event that has come from the hub. Thread-safe.
  std::uint64_t latest() const;

  EventHub& hub() { return hub_; }

  // What the sockets of /api/v1/ws/status tell.
  StatusSource& status() { return status_; }

 private:
  struct Impl;
  EventHub& hub_;
  StatusSource status_;
  const std::shared_ptr<Impl> impl_;
};

// 429 TOO_MANY_SOCKETS: no place was left.
Problem SocketsTooMany();

}  // namespace gatehouse::gateway
