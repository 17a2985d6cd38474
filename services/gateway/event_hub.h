// What happens in the services, as it happened: one Watch per service, kept alive
// and taken up again where it broke, fanned out within this gateway, the latest kept
// for who comes back. Filters nothing by tenant: who subscribes does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/rpc/client.h"

namespace gatehouse::gateway {

// One event, or a gap: events that are missing.
struct LiveEvent {
  std::uint64_t number = 0;  // Counted by this hub from 1, in the order of the sinks' calls.
  bool is_gap = false;
  std::int64_t tenant_id = 0;  // 0: everybody's.
  std::string user_id;         // Empty: the whole tenant's.
  std::string type;            // "execution.completed"
  std::string data_json;       // An object.
  std::string time;            // RFC 3339
  // The position of the whole hub behind this event: one position per service, as an
  // SSE id ("a1.743.9-j1.771.42"; of [A-Za-z0-9.-], at most 512 bytes).
  std::string position;
};
using LiveEventPtr = std::shared_ptr<const LiveEvent>;

// Thread-safe.
class EventHub {
 public:
  // Called on a thread of the hub's, in order; must hand over and return.
  using Sink = std::function<void(const LiveEventPtr&)>;
  static constexpr std::size_t kKept = 8192;  // Events, and at most 16 MiB of them.

  // Watches the EventService of each client from now on. The clients must outlive this.
  explicit EventHub(std::vector<rpc::Client*> services);
  ~EventHub();

  // Until the handle is destroyed, which waits for a call under way.
  std::shared_ptr<void> Subscribe(Sink sink);

  // What is kept behind `position`, oldest first; nullopt when it cannot be told what is
  // missing: malformed, of another incarnation, or older than what is kept.
  std::optional<std::vector<LiveEventPtr>> After(const std::string& position) const;

  // Behind everything so far.
  std::string position() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::gateway
