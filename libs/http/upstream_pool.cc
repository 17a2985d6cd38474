#include "libs/http/upstream_pool.h"

namespace gatehouse::http {

// One idle connection, in the list of its endpoint: the one used last stands last.
struct UpstreamPool::Kept final : SocketSink {
  explicit Kept(UpstreamPool* owner) : pool(owner) {}

  // Neither an end nor bytes that nobody asked for leave anything to be used again.
  void OnReady(bool readable, bool, bool ended) override {
    if (readable || ended) pool->Drop(this);  // This is gone.
  }

  UpstreamPool* const pool;
  std::uint64_t endpoint = 0;
  Idle idle;
  SteadyTime until;
  List::iterator at;
};

UpstreamPool::UpstreamPool(Outgoing& outgoing) : outgoing_(outgoing) {}

UpstreamPool::~UpstreamPool() { CloseAll(); }

UpstreamPool::Idle UpstreamPool::Take(const Endpoint& endpoint) {
  const auto found = by_endpoint_.find(endpoint.id);
  if (found == by_endpoint_.end() || found->second.empty()) return {};
  const Idle idle = found->second.back().idle;
  spare_.splice(spare_.begin(), found->second, std::prev(found->second.end()));
  --size_;
  return idle;
}

void UpstreamPool::Put(const std::shared_ptr<Endpoint>& endpoint, Idle idle, int most,
                       std::chrono::milliseconds life) {
  if (most <= 0) return outgoing_.CloseSocket(idle.id);
  List& list = by_endpoint_[endpoint->id];
  // Nearly every connection comes back to the place that it left.
  if (spare_.empty()) spare_.emplace_back(this);
  list.splice(list.end(), spare_, spare_.begin());
  Kept& kept = list.back();
  ++size_;
  kept.endpoint = endpoint->id;
  kept.idle = idle;
  kept.until = outgoing_.now() + life;
  kept.at = std::prev(list.end());
  outgoing_.SetSink(idle.id, &kept);
  while (list.size() > static_cast<std::size_t>(most)) Drop(&list.front());
}

void UpstreamPool::Drop(Kept* kept) {
  outgoing_.CloseSocket(kept->idle.id);
  by_endpoint_.find(kept->endpoint)->second.erase(kept->at);
  --size_;
}

void UpstreamPool::Tick(SteadyTime now) {
  for (auto entry = by_endpoint_.begin(); entry != by_endpoint_.end();) {
    List& list = entry->second;
    // Lives differ only when the options have changed: all are looked at.
    for (auto at = list.begin(); at != list.end();) {
      Kept& kept = *at++;
      if (kept.until <= now) Drop(&kept);
    }
    entry = list.empty() ? by_endpoint_.erase(entry) : std::next(entry);
  }
}

void UpstreamPool::CloseAll() {
  for (auto& [endpoint, list] : by_endpoint_) {
    for (Kept& kept : list) outgoing_.CloseSocket(kept.idle.id);
  }
  by_endpoint_.clear();
  spare_.clear();
  size_ = 0;
}

}  // namespace gatehouse::http
