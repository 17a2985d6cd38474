#include "services/billing/ledger_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"

namespace gatehouse::billing {
namespace {

LedgerEntry EntryFromRow(const pqxx::row& row) {
  LedgerEntry entry;
  entry.id = row["id"].as<std::string>();
  entry.entry_type = row["entry_type"].as<std::string>();
  entry.amount_nanos = row["amount_nanos"].as<std::int64_t>();
  entry.balance_after_nanos = row["balance_after_nanos"].as<std::int64_t>();
  entry.notes = row["notes"].as<std::string>();
  entry.job_id = pg::Optional<std::string>(row["job_id"]).value_or("");
  entry.create_time = FromMicros(row["create_micros"].as<std::int64_t>());
  return entry;
}

}  // namespace

LedgerEntry PostAdjustment(pg::Tx& tx, std::int64_t amount_nanos, const std::string& notes,
                           Account* account) {
  static constexpr char kPost[] = R"(
WITH account AS (
  UPDATE billing.accounts SET settled_nanos = $8, entry_count = $3, update_time = now()
  WHERE tenant_id = $2)
INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
  amount_nanos, entry_type, balance_after_nanos, notes)
VALUES ($1, $2, $3, $4, $5, $6, 'adjustment', $8, $7) RETURNING )";
  account->settled_nanos += amount_nanos;
  ++account->entry_count;
  const bool credit = amount_nanos > 0;
  LedgerEntry entry{.id = UuidV7(),
                    .entry_type = "adjustment",
                    .amount_nanos = amount_nanos,
                    .balance_after_nanos = account->settled_nanos,
                    .notes = notes,
                    .job_id = "",
                    .create_time = {}};
  const pqxx::result rows = tx.exec_params(
      absl::StrCat(kPost, pg::MicrosOf("create_time")), entry.id, account->tenant_id,
      account->entry_count, credit ? "adjustments" : "reserve", credit ? "reserve" : "adjustments",
      credit ? amount_nanos : -amount_nanos, notes, account->settled_nanos);
  entry.create_time = FromMicros(rows.at(0)[0].as<std::int64_t>());
  return entry;
}

LedgerPage ListLedgerEntries(pg::Tx& tx, std::int64_t tenant_id, int skip, int limit) {
  // Entries are numbered within the tenant, so a page is a range of numbers and
  // the total is the newest number: no counting and no skipping over rows.
  static constexpr char kList[] = R"( AS create_micros, a.entry_count,
  e.id, e.entry_type, e.balance_after_nanos, e.notes, e.job_id,
  CASE e.credit_account WHEN 'reserve' THEN e.amount_nanos ELSE -e.amount_nanos END AS amount_nanos
FROM billing.accounts a
LEFT JOIN LATERAL (
  SELECT n.* FROM billing.ledger_entries n
  WHERE n.tenant_id = a.tenant_id AND n.entry_number <= a.entry_count - $2::bigint
  ORDER BY n.entry_number DESC LIMIT $3::bigint) AS e ON true
WHERE a.tenant_id = $1 ORDER BY e.entry_number DESC)";
  LedgerPage page;
  const pqxx::result rows = tx.exec_params(
      absl::StrCat("SELECT ", pg::MicrosOf("e.create_time"), kList), tenant_id, skip, limit);
  for (const pqxx::row& row : rows) {
    page.total_size = row["entry_count"].as<std::int64_t>();
    if (!row["id"].is_null()) page.entries.push_back(EntryFromRow(row));
  }
  return page;
}

std::optional<KeptAnswer> FindAnswer(pg::Tx& tx, const std::string& scope, const std::string& key) {
  static constexpr char kFindAnswer[] = R"(
SELECT request_hash, response FROM billing.idempotency_keys WHERE scope = $1 AND key = $2)";
  const pqxx::result rows = tx.exec_params(kFindAnswer, scope, key);
  if (rows.empty()) return std::nullopt;
  return KeptAnswer{.request_hash = pg::Bytes(rows[0][0]), .response = pg::Bytes(rows[0][1])};
}

bool KeepAnswer(pg::Tx& tx, const std::string& scope, const std::string& key,
                const KeptAnswer& answer) {
  static constexpr char kKeepAnswer[] = R"(
INSERT INTO billing.idempotency_keys (scope, key, request_hash, response)
VALUES ($1, $2, $3, $4) ON CONFLICT (scope, key) DO NOTHING)";
  return tx.exec_params(kKeepAnswer, scope, key, pg::ToBytea(answer.request_hash),
                        pg::ToBytea(answer.response))
             .affected_rows() == 1;
}

}  // namespace gatehouse::billing
