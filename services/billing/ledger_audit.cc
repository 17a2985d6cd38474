#include "services/billing/ledger_audit.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"

namespace gatehouse::billing {
namespace {

using std::chrono::milliseconds;

constexpr int kSealRowsMax = 1000;

// One text per entry in which every column counts; free of session settings.
constexpr char kCanonical[] = R"(jsonb_build_array(e.id, e.tenant_id, e.entry_number,
  e.debit_account, e.credit_account, e.amount_nanos, e.entry_type, e.balance_after_nanos, e.job_id,
  e.price_version, e.notes, e.reverses,
  (extract(epoch FROM e.create_time) * 1000000)::bigint)::text)";

// Sealing goes by create_time, and no transaction lives ten minutes, so entries
// older than that before the newest sealed one are sealed. This keeps a look for
// new entries from reading the whole ledger.
constexpr char kUnsealed[] = R"(
FROM billing.ledger_entries e
WHERE e.create_time > coalesce(
    (SELECT newest.create_time - interval '10 minutes' FROM billing.ledger_chain c
     JOIN billing.ledger_entries newest ON newest.id = c.row_id
     ORDER BY c.position DESC LIMIT 1), '-infinity')
  AND NOT EXISTS (SELECT FROM billing.ledger_chain c WHERE c.row_id = e.id)
ORDER BY e.create_time, e.id LIMIT $1)";

constexpr char kSealed[] = R"( END, c.hash
FROM billing.ledger_chain c LEFT JOIN billing.ledger_entries e ON e.id = c.row_id
ORDER BY c.position)";

// One statement, so that all of it is seen as of one moment.
constexpr char kDifferences[] = R"(
WITH entries AS (
  SELECT e.id, e.tenant_id, e.entry_number, e.amount_nanos, e.balance_after_nanos, e.entry_type,
    CASE e.credit_account WHEN 'reserve' THEN 1 ELSE -1 END * e.amount_nanos AS change,
    lag(e.entry_number, 1, 0::bigint) OVER account AS number_before,
    lag(e.balance_after_nanos, 1, 0::bigint) OVER account AS balance_before
  FROM billing.ledger_entries e
  WINDOW account AS (PARTITION BY e.tenant_id ORDER BY e.entry_number)),
sums AS (
  SELECT tenant_id, sum(change) AS settled, count(*) AS entries FROM entries GROUP BY tenant_id),
held AS (SELECT tenant_id, sum(held_nanos) AS held FROM billing.holds GROUP BY tenant_id),
captured AS (
  SELECT hold_key, sum(amount_nanos) AS captured, count(*) AS captures
  FROM billing.captures GROUP BY hold_key),
newest AS (
  SELECT e.create_time FROM billing.ledger_chain c JOIN billing.ledger_entries e ON e.id = c.row_id
  ORDER BY c.position DESC LIMIT 1)
SELECT format('tenant %s: the balance is %s, its entries add up to %s', a.tenant_id,
         a.settled_nanos, coalesce(s.settled, 0))
FROM billing.accounts a LEFT JOIN sums s USING (tenant_id)
WHERE a.settled_nanos <> coalesce(s.settled, 0)
UNION ALL
SELECT format('tenant %s: %s entries are counted, %s are there', a.tenant_id, a.entry_count,
         coalesce(s.entries, 0))
FROM billing.accounts a LEFT JOIN sums s USING (tenant_id)
WHERE a.entry_count <> coalesce(s.entries, 0)
UNION ALL
SELECT format('entry %s: it is number %s after %s and leaves %s after %s and %s', id, entry_number,
         number_before, balance_after_nanos, balance_before, change)
FROM entries
WHERE entry_number <> number_before + 1 OR balance_after_nanos <> balance_before + change
UNION ALL
SELECT format('tenant %s: %s is held, its holds add up to %s', a.tenant_id, a.held_nanos,
         coalesce(h.held, 0))
FROM billing.accounts a LEFT JOIN held h USING (tenant_id)
WHERE a.held_nanos <> coalesce(h.held, 0)
UNION ALL
SELECT format('hold %s: %s in %s captures is booked, its captures are %s in %s', h.key,
         h.captured_nanos, h.capture_count, coalesce(c.captured, 0), coalesce(c.captures, 0))
FROM billing.holds h LEFT JOIN captured c ON c.hold_key = h.key
WHERE h.captured_nanos <> coalesce(c.captured, 0) OR h.capture_count <> coalesce(c.captures, 0)
UNION ALL
SELECT format('capture %s of hold %s is %s, its entry %s is %s', c.capture_number, c.hold_key,
         c.amount_nanos, e.id, e.amount_nanos)
FROM (SELECT * FROM billing.captures WHERE entry_id IS NOT NULL) c
FULL JOIN (SELECT * FROM entries WHERE entry_type = 'usage') e ON e.id = c.entry_id
WHERE c.amount_nanos IS DISTINCT FROM e.amount_nanos
UNION ALL
SELECT format('entry %s: it is older than what is sealed and not sealed', e.id)
FROM billing.ledger_entries e, newest
WHERE e.create_time < newest.create_time - interval '10 minutes'
  AND NOT EXISTS (SELECT FROM billing.ledger_chain c WHERE c.row_id = e.id)
UNION ALL
SELECT format('all accounts together are %s instead of zero', total)
FROM (SELECT (SELECT coalesce(sum(settled_nanos), 0) FROM billing.accounts) -
             (SELECT coalesce(sum(change), 0) FROM entries) AS total) AS books
WHERE total <> 0
LIMIT 100)";

constexpr char kCounts[] = R"(
SELECT (SELECT count(*) FROM billing.accounts), (SELECT count(*) FROM billing.ledger_entries))";

int RunVerifyLedger(service::Process& process) {
  pg::Options options = process.DatabaseOptions();
  options.connections_max = 1;
  options.statement_timeout = std::chrono::hours(1);  // It reads the whole ledger.
  pg::Database db(options);
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
          .unsealed_sql = absl::StrCat("SELECT e.id::text, ", kCanonical, kUnsealed),
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

absl::StatusOr<LedgerReport> VerifyLedger(pg::Database& db) {
  using Result = absl::StatusOr<LedgerReport>;
  GH_ASSIGN_OR_RETURN(LedgerReport report, db.Read([](pg::Tx& tx) -> Result {
    LedgerReport found;
    for (const pqxx::row& row : tx.exec(kDifferences)) {
      found.differences.push_back(row[0].as<std::string>());
    }
    return found;
  }));
  GH_RETURN_IF_ERROR(db.Read([&](pg::Tx& tx) {
    const pqxx::row counts = tx.exec(kCounts)[0];
    report.accounts = counts[0].as<std::int64_t>();
    report.entries = counts[1].as<std::int64_t>();
    return absl::OkStatus();
  }));
  const absl::StatusOr<std::int64_t> sealed = pg::VerifyChain(db, LedgerChain());
  if (sealed.ok()) {
    report.sealed = *sealed;
  } else if (Reason(sealed.status()) == "CHAIN_BROKEN") {
    report.differences.push_back(std::string(sealed.status().message()));
  } else {
    return sealed.status();
  }
  return report;
}

service::Command VerifyLedgerCommand() {
  return {.name = "verify-ledger",
          .help = "Re-adds the whole ledger and checks its hash chain; exit 1 when it is wrong.",
          .run = RunVerifyLedger};
}

}  // namespace gatehouse::billing
