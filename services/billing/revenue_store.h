// SQL for the metrics of the business: what customers paid over time, the ledger's sums,
// and the levels that raise alerts. Every function runs in the caller's transaction. A
// tenant of 0 means all of them; periods are [start, end). Not usage (usage_store.h) and
// not what follows from the figures (revenue.h).
#pragma once

#include <cstdint>
#include <vector>

#include "libs/base/clock.h"
#include "libs/pg/database.h"
#include "services/billing/revenue.h"
#include "services/billing/usage_store.h"

namespace gatehouse::billing {

// The database's time.
Time FindNow(pg::Tx& tx);

// What moved before `until`, in the order that revenue.h wants.
std::vector<RevenueChange> ListRevenueChanges(pg::Tx& tx, std::int64_t tenant_id, Time until);

// Whether an account was opened or a subscription told of before `end`. There is no entry
// without an older account.
bool HasRecordsBefore(pg::Tx& tx, std::int64_t tenant_id, Time end);

struct LedgerFigures {
  Time day = {};  // Of days only.
  std::int64_t topup_nanos = 0;
  std::int64_t refund_nanos = 0;      // What went back, disputes included, less what came again.
  std::int64_t adjustment_nanos = 0;  // By hand and reversals, added up.
};
// SUM_OUT_OF_RANGE.
absl::StatusOr<LedgerFigures> SumLedger(pg::Tx& tx, const UsagePeriod& period);
// Days of UTC in their order; those without any entry are left out.
absl::StatusOr<std::vector<LedgerFigures>> DailyLedger(pg::Tx& tx, const UsagePeriod& period);

// Tenants with usage in the 30 days before the last 30 before `end`, a whole hour, and
// none in these.
std::int64_t CountChurnedTenants(pg::Tx& tx, std::int64_t tenant_id, Time end);

// Accounts below zero, now.
std::int64_t CountNegativeAccounts(pg::Tx& tx, std::int64_t tenant_id);

struct AlertLevels {
  std::int64_t logo_churn_ppm = 0;
  std::int64_t mrr_drop_ppm = 0;
  std::int64_t failed_work_ppm = 0;
  std::int64_t negative_accounts = 0;
};
AlertLevels FindAlertLevels(pg::Tx& tx);
// The same, and nobody else changes them before the transaction has ended.
AlertLevels LockAlertLevels(pg::Tx& tx);
void SaveAlertLevels(pg::Tx& tx, const AlertLevels& levels);

}  // namespace gatehouse::billing
