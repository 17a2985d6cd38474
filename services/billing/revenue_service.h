// The RPCs of gatehouse.billing.v1.RevenueService. Reads, but for the alert levels. Not
// the definitions (revenue.h) and not the SQL (revenue_store.h, usage_store.h).
#pragma once

#include "gatehouse/billing/v1/revenue.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::billing {

// Thread-safe.
class RevenueService {
 public:
  // `db` must outlive this.
  explicit RevenueService(pg::Database& db);

  rpc::Service& rpc() { return rpc_; }

  // See revenue.proto. Periods are whole hours, as usage is added up by the hour; those of
  // time series whole days. Each answer is of one moment of the database.
  absl::StatusOr<v1::RevenueSummary> GetSummary(const v1::GetSummaryRequest& request);
  absl::StatusOr<v1::GetTimeseriesResponse> GetTimeseries(const v1::GetTimeseriesRequest& request);
  absl::StatusOr<v1::GetCohortsResponse> GetCohorts(const v1::GetCohortsRequest& request);
  absl::StatusOr<v1::AlertLevels> GetAlertLevels(const v1::GetAlertLevelsRequest& request);
  absl::StatusOr<v1::AlertLevels> UpdateAlertLevels(const v1::UpdateAlertLevelsRequest& request);

 private:
  pg::Database& db_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::billing
