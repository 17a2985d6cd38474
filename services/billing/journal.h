// The ledger as an hledger journal, for bookkeeping by other means. Reads everything in
// one snapshot and changes nothing. CSV for spreadsheets is the gateway's.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/pg/database.h"
#include "libs/service/process.h"

namespace gatehouse::billing {

struct JournalOrder {
  std::int64_t tenant_id = 0;  // 0: all.
  std::optional<Time> start_time;
  std::optional<Time> end_time;  // Behind the last moment.
};

// Of "--tenant 7 --start 2026-01-01 --end 2026-12-31": UTC days, both included.
// INVALID_ARGUMENT / ARGUMENT_INVALID.
absl::StatusOr<JournalOrder> ParseJournalArguments(const std::vector<std::string>& arguments);

// One transaction per row of the ledger, oldest first: "liabilities:reserve:tenant-7",
// "assets:receivable:tenant-7" (debt), "revenue:usage", "assets:stripe-clearing",
// "expenses:promotions" and "equity:adjustments", in USD with nine decimals. Before them
// the balances of the start, when there is one; behind them a transaction per tenant
// asserts what its accounts must have come to (without an end: by the accounts' own
// table). Blocks, for as long as `out` does; memory for the tenants, not for the rows. What was
// written before an error is no journal.
absl::Status WriteJournal(pg::Database& db, const JournalOrder& order, std::ostream& out);

// `billing export-journal`: the journal to standard output.
service::Command ExportJournalCommand();

}  // namespace gatehouse::billing
