// What requests must satisfy by themselves, and what they ask for in domain
// types. Pure. Every request that moves money gets the SHA-256 of its canonical
// form, by which a repeat is told from another request under the same key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gatehouse/billing/v1/account.pb.h"
#include "gatehouse/billing/v1/hold.pb.h"
#include "libs/status/status.h"
#include "services/billing/price.h"

namespace gatehouse::billing {

// All of these fail with INVALID_ARGUMENT; REQUEST_INVALID, with the field,
// unless a reason is named.

struct ReserveOrder {
  std::string key;  // Lower case.
  std::int64_t tenant_id = 0;
  std::vector<UsageLine> estimate;
  std::int64_t ttl_seconds = 0;
  std::string tool;
  std::string request_hash;
};
absl::StatusOr<ReserveOrder> CheckReserve(const v1::ReserveRequest& request);

struct CaptureOrder {
  std::string key;  // Lower case.
  std::int64_t number = 0;
  std::vector<UsageLine> usage;
  bool final = false;
  std::string outcome;  // "success", "failed" or "cancelled"; empty: not told.
  std::string request_hash;
};
absl::StatusOr<CaptureOrder> CheckCapture(const v1::CaptureRequest& request);

struct BindOrder {
  std::string key;  // Lower case.
};
absl::StatusOr<BindOrder> CheckBind(const v1::BindRequest& request);

struct ReleaseOrder {
  std::string key;      // Lower case.
  std::string outcome;  // As of CaptureOrder.
};
absl::StatusOr<ReleaseOrder> CheckRelease(const v1::ReleaseRequest& request);

// AMOUNT_ZERO, AMOUNT_OUT_OF_RANGE, REASON_MISSING, CURRENCY_UNKNOWN.
struct AdjustOrder {
  std::string key;  // Lower case.
  std::int64_t tenant_id = 0;
  std::int64_t amount_nanos = 0;
  std::string reason;
  bool is_promotion = false;
  std::string request_hash;
};
absl::StatusOr<AdjustOrder> CheckAdjust(const v1::AdjustBalanceRequest& request);

// A UUID, in lower case.
absl::StatusOr<std::string> CheckKey(const std::string& key, const std::string& field);

absl::Status CheckTenant(std::int64_t tenant_id);

}  // namespace gatehouse::billing
