// The RPCs of gatehouse.auth.v1.ControlService: opens streams of the hub, and has
// caches emptied by way of them.
#pragma once

#include "gatehouse/auth/v1/control.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/auth/control_hub.h"

namespace gatehouse::auth {

// Thread-safe.
class ControlService {
 public:
  // Both must outlive this.
  ControlService(pg::Database& db, ControlHub& hub);

  rpc::Service& rpc() { return rpc_; }

 private:
  absl::StatusOr<v1::FlushCachesResponse> FlushCaches(rpc::Call& call,
                                                      const v1::FlushCachesRequest& request);

  pg::Database& db_;
  ControlHub& hub_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::auth
