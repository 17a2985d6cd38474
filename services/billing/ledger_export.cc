#include "services/billing/ledger_export.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {
namespace {

// The clocks that make ids and times may differ by this much, and one may go back.
constexpr std::int64_t kClockSlackMicros = std::int64_t{24} * 3600 * 1'000'000;

constexpr char kLeastId[] = "00000000-0000-0000-0000-000000000000";
constexpr char kLargestId[] = "ffffffff-ffff-ffff-ffff-ffffffffffff";

// Less than any UUIDv7 of that time or later.
std::string IdAt(std::int64_t micros) {
  const std::int64_t millis =
      std::clamp<std::int64_t>(micros / 1000, 0, (std::int64_t{1} << 48) - 1);
  return absl::StrFormat("%08x-%04x-0000-0000-000000000000", millis >> 16, millis & 0xFFFF);
}

bool IsWanted(const ExportOrder& order, const LedgerEntry& entry) {
  return (!order.start_time || entry.create_time >= *order.start_time) &&
         (!order.end_time || entry.create_time < *order.end_time);
}

ExportPage PageOf(const ExportOrder& order, const pqxx::result& rows) {
  ExportPage page;
  for (const pqxx::row& row : rows) {
    if (row["entry_number"].is_null()) continue;
    LedgerEntry entry = EntryFromRow(row);
    if (IsWanted(order, entry)) page.entries.push_back(std::move(entry));
  }
  if (static_cast<int>(rows.size()) == order.limit) {
    page.last_id = rows.back()["id"].as<std::string>();
  }
  return page;
}

ExportPage ExportAll(pg::Tx& tx, const ExportOrder& order) {
  static const std::string kById = absl::StrCat("SELECT ", EntryColumns(), R"(
FROM billing.ledger_entries e WHERE e.id > $1 AND e.id < $2 ORDER BY e.id LIMIT $3)");
  std::string after =
      order.start_time ? IdAt(ToMicros(*order.start_time) - kClockSlackMicros) : kLeastId;
  if (!order.after_id.empty()) after = std::max(after, order.after_id);
  const std::string before =
      order.end_time ? IdAt(ToMicros(*order.end_time) + kClockSlackMicros) : kLargestId;
  return PageOf(order, tx.exec_params(kById, after, before, order.limit));
}

// The number of the tenant's first entry that is not older than that; one more than there
// are when all are. A tenant's entries are booked one after the other, so their
// numbers are in the order of their times, but for a clock that went back.
std::int64_t FirstSince(pg::Tx& tx, std::int64_t tenant_id, std::int64_t count,
                        std::int64_t since_micros) {
  static const std::string kTime =
      absl::StrCat("SELECT ", pg::MicrosOf("create_time"),
                   " FROM billing.ledger_entries WHERE tenant_id = $1 AND entry_number = $2");
  std::int64_t first = 1;
  std::int64_t end = count + 1;
  while (first < end) {
    const std::int64_t middle = first + (end - first) / 2;
    const pqxx::result rows = tx.exec_params(kTime, tenant_id, middle);
    // A number that is missing is for verify-ledger to tell.
    if (rows.empty() || rows[0][0].as<std::int64_t>() >= since_micros) {
      end = middle;
    } else {
      first = middle + 1;
    }
  }
  return first;
}

absl::StatusOr<std::int64_t> NumberOf(pg::Tx& tx, const ExportOrder& order) {
  static constexpr char kNumber[] = R"(
SELECT entry_number FROM billing.ledger_entries
WHERE id = $1 AND tenant_id = $2 AND entry_number IS NOT NULL)";
  const pqxx::result rows = tx.exec_params(kNumber, order.after_id, order.tenant_id);
  if (!rows.empty()) return rows[0][0].as<std::int64_t>();
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, "PAGE_TOKEN_INVALID",
                                  "page_token is not from a page of this tenant"),
                            "page_token", "is not from a page of this tenant");
}

absl::StatusOr<ExportPage> ExportTenant(pg::Tx& tx, const ExportOrder& order) {
  static constexpr char kCount[] = R"(
SELECT entry_count FROM billing.accounts WHERE tenant_id = $1)";
  static const std::string kByNumber = absl::StrCat("SELECT ", EntryColumns(), R"(
FROM billing.ledger_entries e
WHERE e.tenant_id = $1 AND e.entry_number >= $2 AND e.entry_number < $3
ORDER BY e.entry_number LIMIT $4)");
  const pqxx::result counted = tx.exec_params(kCount, order.tenant_id);
  if (counted.empty()) return ExportPage();
  const std::int64_t count = counted[0][0].as<std::int64_t>();
  std::int64_t first = 1;
  if (!order.after_id.empty()) {
    GH_ASSIGN_OR_RETURN(first, NumberOf(tx, order));
    ++first;
  } else if (order.start_time) {
    first = FirstSince(tx, order.tenant_id, count, ToMicros(*order.start_time) - kClockSlackMicros);
  }
  std::int64_t end = count + 1;
  if (order.end_time) {
    end = FirstSince(tx, order.tenant_id, count, ToMicros(*order.end_time) + kClockSlackMicros);
  }
  return PageOf(order, tx.exec_params(kByNumber, order.tenant_id, first, end, order.limit));
}

}  // namespace

std::optional<LedgerEntry> FindEntry(pg::Tx& tx, const std::string& id) {
  static const std::string kFind =
      absl::StrCat("SELECT ", EntryColumns(),
                   " FROM billing.ledger_entries e WHERE e.id = $1 AND e.entry_number IS NOT NULL");
  const pqxx::result rows = tx.exec_params(kFind, id);
  if (rows.empty()) return std::nullopt;
  return EntryFromRow(rows[0]);
}

std::int64_t ReversedNanos(pg::Tx& tx, const std::string& entry_id) {
  static constexpr char kReversed[] = R"(
WITH RECURSIVE chain AS (
  SELECT id, debit_account, credit_account, amount_nanos
  FROM billing.ledger_entries WHERE reverses = $1
  UNION
  SELECT e.id, e.debit_account, e.credit_account, e.amount_nanos
  FROM chain c JOIN billing.ledger_entries e ON e.reverses = c.id)
SELECT greatest(coalesce(sum(CASE WHEN c.debit_account = o.credit_account
                               THEN c.amount_nanos ELSE -c.amount_nanos END), 0), 0)::bigint
FROM billing.ledger_entries o JOIN chain c ON true WHERE o.id = $1)";
  return tx.exec_params1(kReversed, entry_id)[0].as<std::int64_t>();
}

absl::StatusOr<ExportPage> ExportLedger(pg::Tx& tx, const ExportOrder& order) {
  if (order.tenant_id > 0) return ExportTenant(tx, order);
  return ExportAll(tx, order);
}

}  // namespace gatehouse::billing
