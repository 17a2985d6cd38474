// One configuration at work: the route table that came of it, with metrics and
// upstreams resolved. A request holds the one it began with, so that it sees one
// configuration from beginning to end. Swapped as a whole, never changed.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/gateway/hot_config.h"
#include "services/gateway/route.h"
#include "services/gateway/route_metrics.h"

namespace gatehouse::gateway {

struct Snapshot {
  HotConfig config;
  RouteTable table;                    // Own routes, core-manager's, those of CONFIG_FILE.
  std::vector<RouteMetrics*> metrics;  // By index of the route; outlive every snapshot.
  std::map<std::string, std::shared_ptr<http::UpstreamGroup>> groups;  // By name.
  std::uint64_t version = 0;                                           // Counts the swaps.
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

// `previous` may be null. Groups whose configuration is the same, and the metrics of
// routes, go over to the new snapshot with their state. Does not block on names: new
// groups have no address before ResolveNewGroups (upstream_checker.h).
SnapshotPtr MakeSnapshot(HotConfig config, const SnapshotPtr& previous);

// The one in force. Thread-safe.
class LiveConfig {
 public:
  explicit LiveConfig(SnapshotPtr first) : current_(std::move(first)) {}
  SnapshotPtr Get() const { return current_.load(std::memory_order_acquire); }
  void Set(SnapshotPtr next) { current_.store(std::move(next), std::memory_order_release); }

 private:
  std::atomic<SnapshotPtr> current_;
};

}  // namespace gatehouse::gateway
