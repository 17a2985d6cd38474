#include "services/billing/hold_store.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "services/billing/account_store.h"

namespace gatehouse::billing {
namespace {

// Account columns keep their names for AccountFromRow.
std::string SelectHold(const char* rest) {
  return absl::StrCat(R"(
SELECT h.key, h.request_hash, h.state, h.estimate_nanos, h.held_nanos AS hold_held_nanos,
       h.captured_nanos, h.capture_count, h.policy AS hold_policy, h.decision, h.decision_reason,
       h.bind_time IS NOT NULL AS was_bound, )",
                      pg::MicrosOf("h.expire_time"), " AS expire_micros, ",
                      pg::MicrosOf("clock_timestamp()"), R"( AS now_micros,
       a.tenant_id, a.settled_nanos, a.held_nanos, a.entry_count, a.policy,
       a.low_threshold_nanos, a.overdraft_max_nanos, a.ceiling_nanos, a.plan_tier,
       a.tier_version
FROM billing.accounts a JOIN billing.holds h ON h.tenant_id = a.tenant_id
)",
                      rest);
}

LockedHold LockedHoldFromRow(const pqxx::row& row) {
  LockedHold locked{.hold = {}, .account = AccountFromRow(row), .now = {}};
  locked.now = FromMicros(row["now_micros"].as<std::int64_t>());
  Hold& hold = locked.hold;
  hold.key = row["key"].as<std::string>();
  hold.tenant_id = locked.account.tenant_id;
  hold.request_hash = pg::Bytes(row["request_hash"]);
  hold.state = ParseHoldState(row["state"].as<std::string>());
  hold.estimate_nanos = row["estimate_nanos"].as<std::int64_t>();
  hold.held_nanos = row["hold_held_nanos"].as<std::int64_t>();
  hold.captured_nanos = row["captured_nanos"].as<std::int64_t>();
  hold.capture_count = row["capture_count"].as<int>();
  hold.decision = {.policy = ParsePolicy(row["hold_policy"].as<std::string>()),
                   .warned = row["decision"].as<std::string>() == "warned",
                   .reason = row["decision_reason"].as<std::string>()};
  hold.expire_time = FromMicros(row["expire_micros"].as<std::int64_t>());
  hold.was_bound = row["was_bound"].as<bool>();
  return locked;
}

const char* DecisionText(const Decision& decision) {
  return decision.warned ? "warned" : "allowed";
}

// The lines of a quote as parameters, for kLines.
struct Lines {
  std::string types, resources, quantities, amounts;
};

Lines LinesOf(const Quote& quote) {
  std::vector<std::string> types, resources;
  std::vector<std::int64_t> quantities;
  for (const UsageLine& line : quote.lines) {
    types.push_back(line.line_type);
    resources.push_back(line.resource);
    quantities.push_back(line.quantity);
  }
  return {pg::TextArray(types), pg::TextArray(resources), pg::BigintArray(quantities),
          pg::BigintArray(quote.line_nanos)};
}

// A JSON array of the lines in parameters $1 to $4.
constexpr char kLines[] = R"(
WITH lines AS (
  SELECT coalesce(jsonb_agg(jsonb_build_object('line_type', line_type, 'resource', resource,
           'quantity', quantity, 'amount_nanos', amount_nanos) ORDER BY position), '[]') AS lines
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
    AS line (line_type, resource, quantity, amount_nanos, position)),)";

}  // namespace

bool InsertHold(pg::Tx& tx, const Quote& quote, std::int64_t ttl_seconds, const Account& account,
                Hold* hold) {
  static constexpr char kInsertHold[] = R"(
hold AS (
  INSERT INTO billing.holds (key, tenant_id, request_hash, state, estimate_nanos, held_nanos,
    estimate_lines, price_version, policy, decision, decision_reason, expire_time)
  SELECT $5::uuid, $6::bigint, $7::bytea, 'reserved', $8::bigint, $8::bigint, lines.lines, $9::int,
    $10::text, $11::text, $12::text, clock_timestamp() + $13::bigint * interval '1 second'
  FROM lines
  ON CONFLICT (key) DO NOTHING RETURNING tenant_id, expire_time)
UPDATE billing.accounts a SET held_nanos = $14::bigint, update_time = now()
FROM hold WHERE a.tenant_id = hold.tenant_id RETURNING )";
  const Lines lines = LinesOf(quote);
  const pqxx::result rows = tx.exec_params(
      absl::StrCat(kLines, kInsertHold, pg::MicrosOf("hold.expire_time")), lines.types,
      lines.resources, lines.quantities, lines.amounts, hold->key, hold->tenant_id,
      pg::ToBytea(hold->request_hash), hold->estimate_nanos, quote.price_version,
      PolicyText(hold->decision.policy), DecisionText(hold->decision), hold->decision.reason,
      ttl_seconds, account.held_nanos);
  if (rows.empty()) return false;
  hold->expire_time = FromMicros(rows[0][0].as<std::int64_t>());
  return true;
}

absl::StatusOr<LockedHold> LockHold(pg::Tx& tx, const std::string& key) {
  // "OF a, h" locks in this order; both rows are returned as they are then.
  const pqxx::result rows = tx.exec_params(SelectHold("WHERE h.key = $1 FOR UPDATE OF a, h"), key);
  if (rows.empty()) {
    return Error(absl::StatusCode::kNotFound, "HOLD_NOT_FOUND", "there is no hold of this key");
  }
  return LockedHoldFromRow(rows[0]);
}

absl::StatusOr<LockedHold> LockHoldOf(pg::Tx& tx, const std::string& key, std::int64_t tenant_id) {
  const pqxx::result rows = tx.exec_params(
      SelectHold("WHERE h.key = $1 AND h.tenant_id = $2 FOR UPDATE OF a, h"), key, tenant_id);
  if (rows.empty()) {
    return Error(absl::StatusCode::kNotFound, "HOLD_NOT_FOUND", "the tenant has no such hold");
  }
  return LockedHoldFromRow(rows[0]);
}

std::optional<LockedHold> LockOverdueHold(pg::Tx& tx) {
  const pqxx::result rows = tx.exec(SelectHold(R"(
WHERE h.state = 'reserved' AND h.expire_time <= now()
ORDER BY h.expire_time LIMIT 1 FOR UPDATE OF a, h SKIP LOCKED)"));
  if (rows.empty()) return std::nullopt;
  return LockedHoldFromRow(rows[0]);
}

void SaveHold(pg::Tx& tx, const LockedHold& locked) {
  static constexpr char kSaveHold[] = R"(
WITH hold AS (
  UPDATE billing.holds SET state = $2, held_nanos = $3,
    bind_time = CASE WHEN $4 THEN coalesce(bind_time, clock_timestamp()) END, update_time = now()
  WHERE key = $1 RETURNING tenant_id)
UPDATE billing.accounts a SET held_nanos = $5, update_time = now()
FROM hold WHERE a.tenant_id = hold.tenant_id)";
  const Hold& hold = locked.hold;
  tx.exec_params(kSaveHold, hold.key, HoldStateText(hold.state), hold.held_nanos, hold.was_bound,
                 locked.account.held_nanos);
}

void SaveReservation(pg::Tx& tx, const Quote& quote, std::int64_t ttl_seconds, LockedHold* locked) {
  static constexpr char kSaveReservation[] = R"(
hold AS (
  UPDATE billing.holds SET state = 'reserved', estimate_nanos = $6, held_nanos = $6,
    estimate_lines = lines.lines, price_version = $7, policy = $8, decision = $9,
    decision_reason = $10, expire_time = clock_timestamp() + $11::bigint * interval '1 second',
    update_time = now()
  FROM lines WHERE key = $5 RETURNING tenant_id, expire_time)
UPDATE billing.accounts a SET held_nanos = $12, update_time = now()
FROM hold WHERE a.tenant_id = hold.tenant_id RETURNING )";
  Hold& hold = locked->hold;
  const Lines lines = LinesOf(quote);
  const pqxx::result rows = tx.exec_params(
      absl::StrCat(kLines, kSaveReservation, pg::MicrosOf("hold.expire_time")), lines.types,
      lines.resources, lines.quantities, lines.amounts, hold.key, hold.estimate_nanos,
      quote.price_version, PolicyText(hold.decision.policy), DecisionText(hold.decision),
      hold.decision.reason, ttl_seconds, locked->account.held_nanos);
  hold.expire_time = FromMicros(rows.at(0)[0].as<std::int64_t>());
}

std::optional<StoredCapture> FindCapture(pg::Tx& tx, const std::string& key, std::int64_t number) {
  static constexpr char kFindCapture[] = R"(
SELECT request_hash, response FROM billing.captures WHERE hold_key = $1 AND capture_number = $2)";
  const pqxx::result rows = tx.exec_params(kFindCapture, key, number);
  if (rows.empty()) return std::nullopt;
  StoredCapture capture;
  capture.number = number;
  capture.request_hash = pg::Bytes(rows[0][0]);
  capture.response = pg::Bytes(rows[0][1]);
  return capture;
}

void SaveCapture(pg::Tx& tx, const StoredCapture& capture, LockedHold* locked) {
  // The foreign key of the capture is checked when the statement ends, so the
  // entry may be written beside it. Times are taken under the account's lock.
  static constexpr char kSaveCapture[] = R"(
entry AS (
  INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
    amount_nanos, entry_type, balance_after_nanos, job_id, price_version, notes)
  SELECT $10::uuid, $11::bigint, $12::bigint, 'reserve', 'revenue', $8::bigint, 'usage',
    $13::bigint, $5::uuid, $14::int, $15::text
  WHERE $8::bigint > 0),
capture AS (
  INSERT INTO billing.captures (hold_key, capture_number, request_hash, amount_nanos, usage_lines,
    entry_id, response)
  SELECT $5::uuid, $6::bigint, $7::bytea, $8::bigint, lines.lines, $10::uuid, $9::bytea
  FROM lines),
hold AS (
  UPDATE billing.holds SET state = $16, held_nanos = $17, captured_nanos = $18,
    capture_count = $19, update_time = now()
  WHERE key = $5)
UPDATE billing.accounts SET settled_nanos = $13, held_nanos = $20, entry_count = $12,
  update_time = now()
WHERE tenant_id = $11)";
  const Hold& hold = locked->hold;
  Account& account = locked->account;
  const std::int64_t amount = capture.quote.amount_nanos;
  if (amount > 0) ++account.entry_count;
  const Lines lines = LinesOf(capture.quote);
  tx.exec_params(absl::StrCat(kLines, kSaveCapture), lines.types, lines.resources, lines.quantities,
                 lines.amounts, hold.key, capture.number, pg::ToBytea(capture.request_hash), amount,
                 pg::ToBytea(capture.response), amount > 0 ? capture.entry_id.c_str() : nullptr,
                 account.tenant_id, account.entry_count, account.settled_nanos,
                 capture.quote.price_version, Summary(capture.quote), HoldStateText(hold.state),
                 hold.held_nanos, hold.captured_nanos, hold.capture_count, account.held_nanos);
}

}  // namespace gatehouse::billing
