// The RPCs of gatehouse.auth.v1.AuditService, and the thread that seals what
// they append.
#pragma once

#include "gatehouse/auth/v1/audit.pb.h"
#include "libs/exec/pool.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::auth {

// Thread-safe.
class AuditService {
 public:
  // `db` must outlive this.
  explicit AuditService(pg::Database& db);

  rpc::Service& rpc() { return rpc_; }

 private:
  absl::StatusOr<v1::AppendAuditResponse> AppendAudit(const v1::AppendAuditRequest& request);
  absl::StatusOr<v1::ListAuditEventsResponse> ListAuditEvents(
      const v1::ListAuditEventsRequest& request);

  pg::Database& db_;
  rpc::Service rpc_;
};

// Seals new events into the chain every second. Several processes may.
class AuditSealer {
 public:
  // `db` must outlive this.
  explicit AuditSealer(pg::Database& db);

 private:
  exec::Ticker ticker_;
};

}  // namespace gatehouse::auth
