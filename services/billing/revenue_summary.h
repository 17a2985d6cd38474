// The figures of a period as a message, and which of them passed a level. Pure. Not their
// definitions (revenue.h).
#pragma once

#include "gatehouse/billing/v1/revenue.pb.h"
#include "services/billing/revenue_store.h"

namespace gatehouse::billing {

struct SummaryFigures {
  Movement movement;
  std::int64_t current_cents = 0;  // A year, at `now`.
  UsageFigures usage;
  std::int64_t trailing_usage_nanos = 0;  // Of 30 days.
  LedgerFigures ledger;
  std::int64_t churned_tenants = 0;
  WorkCounts work;
  std::int64_t negative_accounts = 0;
  AlertLevels levels;
  Time now = {};
};

v1::RevenueSummary ToSummary(const SummaryFigures& figures);

v1::AlertLevels ToProto(const AlertLevels& levels);

}  // namespace gatehouse::billing
