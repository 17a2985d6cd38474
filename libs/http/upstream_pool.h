// A worker's idle connections to upstreams. Keeps what may be used again, watches
// it for the other side's end, closes it in time. Not thread-safe. Internal to
// libs/http.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "libs/http/outgoing.h"
#include "libs/http/upstream_group.h"

namespace gatehouse::http {

class UpstreamPool {
 public:
  explicit UpstreamPool(Outgoing& outgoing);
  ~UpstreamPool();

  struct Idle {
    SocketId id = 0;
    int fd = -1;
  };
  // The one used last; id 0: none. The caller sets its own sink.
  Idle Take(const Endpoint& endpoint);
  // `most` per endpoint, the oldest goes; `life`: how long it may be idle.
  void Put(const std::shared_ptr<Endpoint>& endpoint, Idle idle, int most,
           std::chrono::milliseconds life);

  // Every StreamOwner::kTick: closes what has been idle for too long.
  void Tick(SteadyTime now);
  void CloseAll();
  std::size_t size() const { return size_; }

 private:
  struct Kept;
  using List = std::list<Kept>;

  void Drop(Kept* kept);

  Outgoing& outgoing_;
  std::unordered_map<std::uint64_t, List> by_endpoint_;  // By Endpoint::id.
  List spare_;                                           // Places of those that are in use.
  std::size_t size_ = 0;
};

}  // namespace gatehouse::http
