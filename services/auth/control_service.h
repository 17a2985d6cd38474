// The RPC of gatehouse.auth.v1.ControlService: opens streams of the hub.
#pragma once

#include "libs/rpc/server.h"
#include "services/auth/control_hub.h"

namespace gatehouse::auth {

// Thread-safe.
class ControlService {
 public:
  // `hub` must outlive this.
  explicit ControlService(ControlHub& hub);

  rpc::Service& rpc() { return rpc_; }

 private:
  rpc::Service rpc_;
};

}  // namespace gatehouse::auth
