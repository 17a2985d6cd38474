// The RPCs of gatehouse.billing.v1.UsageService: check, one statement, reply. Not the SQL
// (usage_store.h).
#pragma once

#include "gatehouse/billing/v1/usage.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::billing {

// Thread-safe.
class UsageService {
 public:
  // `db` must outlive this.
  explicit UsageService(pg::Database& db);

  rpc::Service& rpc() { return rpc_; }

  // See usage.proto.
  absl::StatusOr<v1::QueryCostsResponse> QueryCosts(const v1::QueryCostsRequest& request);

 private:
  pg::Database& db_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::billing
