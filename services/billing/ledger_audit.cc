#include "services/billing/ledger_audit.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "services/billing/bill_audit.h"
#include "services/billing/ledger_checks.h"

namespace gatehouse::billing {
namespace {

using std::chrono::milliseconds;

constexpr int kSealRowsMax = 10000;
constexpr std::size_t kDifferencesMax = 100;

// One text per entry in which every column counts; free of session settings. Columns that
// came later count where one of them is set, so that older entries keep their text.
constexpr char kCanonical[] = R"((jsonb_build_array(e.id, e.tenant_id, e.entry_number,
  e.debit_account, e.credit_account, e.amount_nanos, e.entry_type, e.balance_after_nanos, e.job_id,
  e.price_version, e.notes, e.reverses, (extract(epoch FROM e.create_time) * 1000000)::bigint)
  || CASE WHEN num_nonnulls(e.cause_id, e.actor, e.stripe_event_id) > 0
       THEN jsonb_build_array(e.cause_id, e.actor, e.stripe_event_id)
       ELSE '[]'::jsonb END)::text)";

// Sealing goes by transaction, and below the horizon every transaction has ended: nothing
// can appear there any more, so whatever is new stands behind the last sealed entry. Those
// of transaction 0 are all sealed (migration 0007).
constexpr char kUnsealed[] = R"(
FROM billing.ledger_entries e
WHERE (e.transaction_id, e.id) > (
    coalesce((SELECT transaction_id FROM last), '0'),
    coalesce((SELECT id FROM last WHERE transaction_id > '0'),
             'ffffffff-ffff-ffff-ffff-ffffffffffff'))
  AND e.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY e.transaction_id, e.id LIMIT $1)";

constexpr char kLast[] = R"(
WITH last AS (
  SELECT e.transaction_id, e.id FROM billing.ledger_chain c
  JOIN billing.ledger_entries e ON e.id = c.row_id ORDER BY c.position DESC LIMIT 1)
SELECT e.id::text, )";

constexpr char kSealed[] = R"( END, c.hash
FROM billing.ledger_chain c LEFT JOIN billing.ledger_entries e ON e.id = c.row_id
ORDER BY c.position)";

// All of it is seen as of one moment.
constexpr char kOneSnapshot[] = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

constexpr char kCounts[] = R"(
SELECT (SELECT count(*) FROM billing.accounts), (SELECT count(*) FROM billing.ledger_entries))";

int RunVerifyLedger(service::Process& process) {
  pg::Options options = process.DatabaseOptions();
  options.connections_max = 1;
  options.statement_timeout = std::chrono::hours(1);  // It reads the whole ledger.
  pg::Database db(options);
  // A copy that cannot be written to is checked as it is.
  if (const absl::Status sealed = SealLedger(db); !sealed.ok()) {
    std::cerr << "what is new could not be sealed: " << sealed.message() << "\n";
  }
  const absl::StatusOr<LedgerReport> report = VerifyLedger(db);
  if (!report.ok()) {
    std::cerr << "the ledger could not be read: " << report.status().message() << "\n";
    return 1;
  }
  for (const std::string& difference : report->differences) std::cout << difference << "\n";
  std::cout << (report->differences.empty() ? "the ledger is right: " : "the ledger is WRONG: ")
            << report->accounts << " accounts, " << report->entries << " entries, "
            << report->sealed << " sealed\n";
  return report->differences.empty() ? 0 : 1;
}

}  // namespace

pg::Chain LedgerChain() {
  return {.table = "billing.ledger_chain",
          .unsealed_sql = absl::StrCat(kLast, kCanonical, kUnsealed),
          .sealed_sql = absl::StrCat("SELECT c.position, c.row_id::text, ",
                                     "CASE WHEN e.id IS NOT NULL THEN ", kCanonical, kSealed)};
}

LedgerSealer::LedgerSealer(pg::Database& db)
    : db_(db), ticker_("ledger-sealer", [this] { return Seal(); }) {}

milliseconds LedgerSealer::Seal() {
  const absl::StatusOr<int> sealed = pg::Seal(db_, LedgerChain(), kSealRowsMax);
  if (!sealed.ok()) {
    log::Warning("the ledger could not be sealed",
                 {{"error", std::string(sealed.status().message())}});
    return milliseconds(5000);
  }
  return *sealed == kSealRowsMax ? milliseconds(0) : milliseconds(1000);
}

absl::Status SealLedger(pg::Database& db) {
  int sealed = 0;
  do {
    GH_ASSIGN_OR_RETURN(sealed, pg::Seal(db, LedgerChain(), kSealRowsMax));
  } while (sealed > 0);
  return absl::OkStatus();
}

absl::StatusOr<LedgerReport> VerifyLedger(pg::Database& db) {
  using Result = absl::StatusOr<LedgerReport>;
  GH_ASSIGN_OR_RETURN(LedgerReport report, db.InTransaction([](pg::Tx& tx) -> Result {
    LedgerReport found;
    tx.exec(kOneSnapshot);
    for (const char* check : LedgerChecks()) {
      for (const pqxx::row& row : tx.exec(check)) {
        found.differences.push_back(row[0].as<std::string>());
      }
    }
    const pqxx::row counts = tx.exec1(kCounts);
    found.accounts = counts[0].as<std::int64_t>();
    found.entries = counts[1].as<std::int64_t>();
    return found;
  }));
  const absl::StatusOr<std::int64_t> sealed = pg::VerifyChain(db, LedgerChain());
  if (sealed.ok()) {
    report.sealed = *sealed;
  } else if (Reason(sealed.status()) == "CHAIN_BROKEN") {
    report.differences.push_back(std::string(sealed.status().message()));
  } else {
    return sealed.status();
  }
  GH_ASSIGN_OR_RETURN(const std::vector<std::string> bills, BillDifferences(db));
  report.differences.insert(report.differences.end(), bills.begin(), bills.end());
  if (report.differences.size() > kDifferencesMax) report.differences.resize(kDifferencesMax);
  return report;
}

service::Command VerifyLedgerCommand() {
  return {.name = "verify-ledger",
          .help = "Re-adds the whole ledger and checks its hash chain; exit 1 when it is wrong.",
          .run = RunVerifyLedger};
}

}  // namespace gatehouse::billing
