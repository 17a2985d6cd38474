// Proof that the books are right: the hash chain over the ledger, its sealer, and
// a check that re-adds everything. Corrects nothing.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "libs/exec/pool.h"
#include "libs/pg/database.h"
#include "libs/pg/sealer.h"
#include "libs/service/process.h"

namespace gatehouse::billing {

// The chain over billing.ledger_entries.
pg::Chain LedgerChain();

// Seals new entries every second from a thread of its own.
class LedgerSealer {
 public:
  // `db` must outlive this.
  explicit LedgerSealer(pg::Database& db);

 private:
  std::chrono::milliseconds Seal();

  pg::Database& db_;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

// Seals until nothing is new, as the sealer would. Errors of the database.
absl::Status SealLedger(pg::Database& db);

struct LedgerReport {
  std::int64_t accounts = 0;
  std::int64_t entries = 0;
  std::int64_t sealed = 0;
  std::vector<std::string> differences;  // For people; empty when all is right. At most 100.
};

// Re-adds, as of one moment: every balance from its entries, entry by entry, and what is
// owed with it; every held sum from its holds; every hold's captures and their entries;
// reversals, payments, what was booked by hand and the answers kept of it, the sum over all
// accounts, which is zero (ledger_checks.h); what the sealer has passed over. What is only
// not sealed yet is no difference. Then recomputes the chain and every bill (bill_audit.h).
// An error only when the database cannot answer.
absl::StatusOr<LedgerReport> VerifyLedger(pg::Database& db);

// `billing verify-ledger`: seals what is new where it may, then prints the report; exit
// code 1 with differences.
service::Command VerifyLedgerCommand();

}  // namespace gatehouse::billing
