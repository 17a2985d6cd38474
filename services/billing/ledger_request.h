// What requests about accounts and the ledger must satisfy by themselves, and what they
// ask for in domain terms. Pure. Those that move money or hold it are request_check.h's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gatehouse/billing/v1/account.pb.h"
#include "libs/base/clock.h"
#include "libs/status/status.h"
#include "services/billing/account.h"

namespace gatehouse::billing {

// All of these fail with INVALID_ARGUMENT; REQUEST_INVALID, with the field, unless a
// reason is named.

// What is to be changed; nullopt leaves it.
struct AccountChange {
  std::int64_t tenant_id = 0;
  std::optional<Policy> policy;
  std::optional<std::string> plan_tier;
  std::optional<std::int64_t> low_threshold_nanos;
  std::optional<std::int64_t> overdraft_max_nanos;
  bool clears_overdraft = false;
  std::optional<std::int64_t> ceiling_nanos;

  bool changes_settings() const;
  // Takes everything over but the tier.
  void ApplyTo(Account* account) const;
};
// POLICY_UNKNOWN, PLAN_TIER_UNKNOWN, AMOUNT_OUT_OF_RANGE, CURRENCY_UNKNOWN.
absl::StatusOr<AccountChange> CheckUpdate(const v1::UpdateAccountRequest& request);

struct ReverseOrder {
  std::string key;  // Lower case; so is the next.
  std::string entry_id;
  std::optional<std::int64_t> amount_nanos;  // nullopt: what is left of it.
  std::string reason;
  std::string request_hash;
};
// AMOUNT_ZERO, AMOUNT_OUT_OF_RANGE, REASON_MISSING, CURRENCY_UNKNOWN.
absl::StatusOr<ReverseOrder> CheckReverse(const v1::ReverseEntryRequest& request);

struct ExportOrder {
  std::int64_t tenant_id = 0;  // 0: all.
  std::optional<Time> start_time;
  std::optional<Time> end_time;  // Behind the last one.
  std::string after_id;          // Where the page before ended; empty: the first page.
  int limit = 0;
};
// PAGE_TOKEN_INVALID, PAGE_SIZE_INVALID.
absl::StatusOr<ExportOrder> CheckExport(const v1::ExportLedgerRequest& request);

struct ListOrder {
  std::int64_t after_tenant_id = 0;
  int limit = 0;
  bool low_only = false;
};
// PAGE_TOKEN_INVALID, PAGE_SIZE_INVALID.
absl::StatusOr<ListOrder> CheckList(const v1::ListAccountsRequest& request);

// The tokens by which ExportLedger and ListAccounts go on.
std::string ExportToken(const std::string& last_id);
std::string ListToken(std::int64_t last_tenant_id);

}  // namespace gatehouse::billing
