#include "services/billing/ledger_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"
#include "services/billing/columns.h"

namespace gatehouse::billing {
namespace {}  // namespace

std::string EntryColumns() {
  return absl::StrCat(pg::MicrosOf("e.create_time"), R"( AS create_micros, e.id, e.tenant_id,
  e.entry_number, e.entry_type, e.balance_after_nanos, e.notes, e.job_id, e.reverses, e.actor,
  e.stripe_event_id,
  CASE e.credit_account WHEN 'reserve' THEN e.amount_nanos ELSE -e.amount_nanos END AS amount_nanos,
  CASE e.credit_account WHEN 'reserve' THEN e.debit_account ELSE e.credit_account END AS counter)");
}

LedgerEntry EntryFromRow(const pqxx::row& row) {
  LedgerEntry entry;
  entry.id = row["id"].as<std::string>();
  entry.entry_type = row["entry_type"].as<std::string>();
  entry.amount_nanos = row["amount_nanos"].as<std::int64_t>();
  entry.balance_after_nanos = row["balance_after_nanos"].as<std::int64_t>();
  entry.notes = row["notes"].as<std::string>();
  entry.job_id = pg::Optional<std::string>(row["job_id"]).value_or("");
  entry.create_time = FromMicros(row["create_micros"].as<std::int64_t>());
  entry.tenant_id = row["tenant_id"].as<std::int64_t>();
  entry.counter_account = row["counter"].as<std::string>();
  entry.reverses = pg::Optional<std::string>(row["reverses"]).value_or("");
  entry.actor = pg::Optional<std::string>(row["actor"]).value_or("");
  entry.stripe_event_id = pg::Optional<std::string>(row["stripe_event_id"]).value_or("");
  return entry;
}

std::string InsertLedgerSql(int first) {
  std::string columns;
  for (const char* type : {"uuid", "bigint", "bigint", "text", "text", "bigint", "bigint", "text",
                           "uuid", "bigint", "text", "uuid", "uuid", "text", "text"}) {
    absl::StrAppend(&columns, columns.empty() ? "" : ", ", "$", first++, "::", type, "[]");
  }
  return absl::StrCat(R"(
INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
  amount_nanos, balance_after_nanos, entry_type, job_id, price_version, notes, reverses, cause_id,
  actor, stripe_event_id)
SELECT r.id, r.tenant_id, nullif(r.number, 0), r.debit, r.credit, r.amount, r.after, r.type,
  r.job, nullif(r.version, 0), r.notes, r.reverses, r.cause, nullif(r.actor, ''),
  nullif(r.event, '')
FROM unnest()",
                      columns, R"() AS r (id, tenant_id, number, debit, credit, amount, after, type,
  job, version, notes, reverses, cause, actor, event))");
}

void AppendLedgerColumns(const std::vector<LedgerRow>& rows,
                         std::vector<pqxx::binarystring>* parameters) {
  using Type = Column::Type;
  ColumnSet columns({Type::kUuid, Type::kNumber, Type::kNumber, Type::kText, Type::kText,
                     Type::kNumber, Type::kNumber, Type::kText, Type::kUuid, Type::kNumber,
                     Type::kText, Type::kUuid, Type::kUuid, Type::kText, Type::kText});
  for (const LedgerRow& row : rows) {
    columns.Next().AddUuid(row.id);
    columns.Next().AddNumber(row.tenant_id);
    columns.Next().AddNumber(row.entry_number);
    columns.Next().AddBytes(row.debit_account);
    columns.Next().AddBytes(row.credit_account);
    columns.Next().AddNumber(row.amount_nanos);
    columns.Next().AddNumber(row.balance_after_nanos);
    columns.Next().AddBytes(row.posting.entry_type);
    columns.Next().AddUuid(row.posting.job_id);
    columns.Next().AddNumber(row.posting.price_version);
    columns.Next().AddBytes(row.posting.notes);
    columns.Next().AddUuid(row.posting.reverses);
    columns.Next().AddUuid(row.cause_id);
    columns.Next().AddBytes(row.posting.actor);
    columns.Next().AddBytes(row.posting.stripe_event_id);
  }
  columns.AppendTo(parameters);
}

Time InsertLedgerRows(pg::Tx& tx, const std::vector<LedgerRow>& rows) {
  static const std::string kInsert =
      absl::StrCat("WITH rows AS (", InsertLedgerSql(1), " RETURNING create_time) SELECT ",
                   pg::MicrosOf("min(create_time)"), " FROM rows");
  std::vector<pqxx::binarystring> parameters;
  AppendLedgerColumns(rows, &parameters);
  const pqxx::result written =
      pg::ExecPrepared(tx, kInsert, pqxx::prepare::make_dynamic_params(parameters));
  return FromMicros(written.at(0)[0].as<std::int64_t>());
}

LedgerEntry Post(pg::Tx& tx, const Posting& posting, Account* account) {
  static constexpr char kSaveBalance[] = R"(
UPDATE billing.accounts SET settled_nanos = $2, entry_count = $3, update_time = now()
WHERE tenant_id = $1)";
  std::vector<LedgerRow> rows;
  LedgerEntry entry;
  entry.id = Book(posting, account, &rows);
  entry.create_time = InsertLedgerRows(tx, rows);
  tx.exec_params(kSaveBalance, account->tenant_id, account->settled_nanos, account->entry_count);
  entry.entry_type = posting.entry_type;
  entry.amount_nanos = posting.amount_nanos;
  entry.balance_after_nanos = account->settled_nanos;
  entry.notes = posting.notes;
  entry.job_id = posting.job_id;
  entry.tenant_id = account->tenant_id;
  entry.counter_account = posting.counter_account;
  entry.reverses = posting.reverses;
  entry.actor = posting.actor;
  entry.stripe_event_id = posting.stripe_event_id;
  return entry;
}

LedgerPage ListLedgerEntries(pg::Tx& tx, std::int64_t tenant_id, int skip, int limit) {
  // Entries are numbered within the tenant, so a page is a range of numbers and
  // the total is the newest number: no counting and no skipping over rows.
  // Rows of type debt have no number, so they are not among them.
  static const std::string kList = absl::StrCat("SELECT a.entry_count, ", EntryColumns(), R"(
FROM billing.accounts a
LEFT JOIN LATERAL (
  SELECT n.* FROM billing.ledger_entries n
  WHERE n.tenant_id = a.tenant_id AND n.entry_number <= a.entry_count - $2::bigint
  ORDER BY n.entry_number DESC LIMIT $3::bigint) AS e ON true
WHERE a.tenant_id = $1 ORDER BY e.entry_number DESC)");
  LedgerPage page;
  const pqxx::result rows = tx.exec_params(kList, tenant_id, skip, limit);
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
