// The RPCs of gatehouse.billing.v1.HoldService: check, price, one transaction,
// reply. Not the rules (hold.h, account.h) and not the SQL (hold_store.h).
#pragma once

#include "gatehouse/billing/v1/hold.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::billing {

// Thread-safe.
class HoldService {
 public:
  // `db` must outlive this.
  explicit HoldService(pg::Database& db);

  rpc::Service& rpc() { return rpc_; }

  // See hold.proto.
  absl::StatusOr<v1::Hold> Reserve(const v1::ReserveRequest& request);
  absl::StatusOr<v1::Hold> Bind(const v1::BindRequest& request);
  absl::StatusOr<v1::CaptureResponse> Capture(const v1::CaptureRequest& request);
  absl::StatusOr<v1::Hold> Release(const v1::ReleaseRequest& request);

 private:
  pg::Database& db_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::billing
