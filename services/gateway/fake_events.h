// A service's event feed for tests. Not for use outside the gateway's tests.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "gatehouse/event/v1/event.pb.h"
#include "libs/rpc/server.h"

namespace gatehouse::gateway {

// A heartbeat to each who opens it, then what was pushed behind its cursor, then what
// is. Thread-safe.
class FakeEvents {
 public:
  void Register(rpc::Service& service);

  // The next event of the feed. `tenant_id` 0: everybody's; `user_id` "": the tenant's.
  void Push(const std::string& type, std::int64_t tenant_id, const std::string& user_id,
            const std::string& data_json);

  // Sends all that was pushed again, to those who watch now.
  void Repeat();
  // Forgets what was pushed; who watches is told of a gap.
  void Forget();
  // As after a backup: another incarnation, and streams and cursors of the old one end.
  void Restore();
  // Ends the streams.
  void End(const absl::Status& status);

  std::vector<event::v1::WatchRequest> requests() const;
  // How many watch now.
  int streams() const;

 private:
  using Sender = rpc::FeedSender<event::v1::WatchResponse>;
  void Open(const event::v1::WatchRequest& request, Sender sender);
  void EndLocked(const absl::Status& status);
  event::v1::Cursor HeadLocked() const;

  mutable std::mutex mutex_;
  std::vector<Sender> senders_;                    // guarded by mutex_
  std::vector<event::v1::Event> events_;           // guarded by mutex_
  std::vector<event::v1::WatchRequest> requests_;  // guarded by mutex_
  std::int64_t incarnation_ = 1;                   // guarded by mutex_
  std::int64_t sequence_ = 0;                      // guarded by mutex_; the last one given
};

}  // namespace gatehouse::gateway
