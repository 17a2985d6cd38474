// gatehouse.auth.v1.AnnouncementService over RPC: what administrators announce becomes
// an event of auth's feed, with its audit event. Keeps no announcements.
#pragma once

#include <functional>

#include "gatehouse/auth/v1/announcement.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::auth {

// Thread-safe.
class AnnouncementService {
 public:
  // `notify` is called after a commit: the feed's hub wakes the readers. `db` and what
  // it uses must outlive this.
  AnnouncementService(pg::Database& db, std::function<void()> notify);

  rpc::Service& rpc() { return rpc_; }

 private:
  absl::StatusOr<v1::Announcement> CreateAnnouncement(rpc::Call& call,
                                                      const v1::CreateAnnouncementRequest& request);

  pg::Database& db_;
  const std::function<void()> notify_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::auth
