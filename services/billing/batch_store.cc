#include "services/billing/batch_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "services/billing/account_store.h"
#include "services/billing/columns.h"
#include "services/billing/ledger_store.h"
#include "services/billing/low_balance.h"
#include "services/billing/messages.h"

namespace gatehouse::billing {
namespace {

using Type = Column::Type;

pqxx::binarystring Numbers(const std::vector<std::int64_t>& values) {
  Column column(Type::kNumber);
  for (const std::int64_t value : values) column.AddNumber(value);
  return column.Take();
}

pqxx::binarystring Uuids(const std::vector<std::string>& values) {
  Column column(Type::kUuid);
  for (const std::string& value : values) column.AddUuid(value);
  return column.Take();
}

void AppendJsonText(const std::string& text, std::string* json) {
  json->push_back('"');
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppend(json, "\\u00", absl::Hex(c, absl::kZeroPad2));
      continue;
    }
    if (c == '"' || c == '\\') json->push_back('\\');
    json->push_back(c);
  }
  json->push_back('"');
}

std::string LinesJson(const Quote& quote) {
  std::string json = "[";
  for (std::size_t i = 0; i < quote.lines.size(); ++i) {
    const UsageLine& line = quote.lines[i];
    absl::StrAppend(&json, i > 0 ? "," : "", R"({"line_type":)");
    AppendJsonText(line.line_type, &json);
    absl::StrAppend(&json, R"(,"resource":)");
    AppendJsonText(line.resource, &json);
    absl::StrAppend(&json, R"(,"quantity":)", line.quantity, R"(,"amount_nanos":)",
                    quote.line_nanos[i], "}");
  }
  return json + "]";
}

const char* DecisionText(const Decision& decision) {
  return decision.warned ? "warned" : "allowed";
}

// The columns of FindHolds from `at` on; by their place, for there are many rows.
Hold HoldFromRow(const pqxx::row& row, int at) {
  Hold hold;
  hold.key = row[at++].as<std::string>();
  hold.tenant_id = row[at++].as<std::int64_t>();
  hold.request_hash = pg::Bytes(row[at++]);
  hold.state = ParseHoldState(row[at++].as<std::string>());
  hold.estimate_nanos = row[at++].as<std::int64_t>();
  hold.held_nanos = row[at++].as<std::int64_t>();
  hold.captured_nanos = row[at++].as<std::int64_t>();
  hold.capture_count = row[at++].as<int>();
  hold.decision.policy = ParsePolicy(row[at++].as<std::string>());
  hold.decision.warned = row[at++].as<bool>();
  hold.decision.reason = row[at++].as<std::string>();
  hold.was_bound = row[at++].as<bool>();
  hold.tool = row[at++].as<std::string>();
  hold.outcome = pg::Optional<std::string>(row[at++]).value_or("");
  hold.price_version = row[at++].as<int>();
  hold.expire_time = FromMicros(row[at++].as<std::int64_t>());
  const auto end_micros = pg::Optional<std::int64_t>(row[at++]);
  if (end_micros) hold.end_time = FromMicros(*end_micros);
  return hold;
}

ColumnSet AccountColumns(const BatchPlan& plan) {
  ColumnSet columns({Type::kNumber, Type::kNumber, Type::kNumber, Type::kNumber});
  for (const PlannedAccount* planned : plan.accounts()) {
    const Account& account = planned->account;
    columns.Next().AddNumber(account.tenant_id);
    columns.Next().AddNumber(account.settled_nanos);
    columns.Next().AddNumber(account.held_nanos);
    columns.Next().AddNumber(account.entry_count);
  }
  return columns;
}

// What changes in the life of a hold.
void AddProgress(const Hold& hold, ColumnSet* columns) {
  columns->Next().AddBytes(HoldStateText(hold.state));
  columns->Next().AddNumber(hold.held_nanos);
  columns->Next().AddNumber(hold.captured_nanos);
  columns->Next().AddNumber(hold.capture_count);
  columns->Next().AddNumber(hold.was_bound ? 1 : 0);
  columns->Next().AddBytes(hold.outcome);
  columns->Next().AddNumber(hold.end_time ? ToMicros(*hold.end_time) : 0);
}

ColumnSet NewHoldColumns(const BatchPlan& plan) {
  ColumnSet columns({Type::kUuid, Type::kText, Type::kNumber, Type::kNumber, Type::kNumber,
                     Type::kNumber, Type::kText, Type::kNumber, Type::kNumber, Type::kBytes,
                     Type::kNumber, Type::kText, Type::kNumber, Type::kText, Type::kText,
                     Type::kText, Type::kNumber, Type::kText});
  for (const PlannedHold* planned : plan.holds()) {
    if (!planned->is_new) continue;
    const Hold& hold = planned->hold;
    columns.Next().AddUuid(hold.key);
    AddProgress(hold, &columns);
    columns.Next().AddNumber(hold.tenant_id);
    columns.Next().AddBytes(hold.request_hash);
    columns.Next().AddNumber(hold.estimate_nanos);
    columns.Next().AddBytes(LinesJson(planned->estimate));
    columns.Next().AddNumber(planned->estimate.price_version);
    columns.Next().AddBytes(PolicyText(hold.decision.policy));
    columns.Next().AddBytes(DecisionText(hold.decision));
    columns.Next().AddBytes(hold.decision.reason);
    columns.Next().AddNumber(ToMicros(hold.expire_time));
    columns.Next().AddBytes(hold.tool);
  }
  return columns;
}

ColumnSet ChangedHoldColumns(const BatchPlan& plan) {
  ColumnSet columns({Type::kUuid, Type::kText, Type::kNumber, Type::kNumber, Type::kNumber,
                     Type::kNumber, Type::kText, Type::kNumber});
  for (const PlannedHold* planned : plan.holds()) {
    if (planned->is_new) continue;
    columns.Next().AddUuid(planned->hold.key);
    AddProgress(planned->hold, &columns);
  }
  return columns;
}

ColumnSet CaptureColumns(const BatchPlan& plan) {
  ColumnSet columns({Type::kUuid, Type::kNumber, Type::kBytes, Type::kNumber, Type::kText,
                     Type::kUuid, Type::kBytes, Type::kNumber, Type::kText, Type::kNumber});
  for (const PlannedCapture& capture : plan.captures()) {
    columns.Next().AddUuid(capture.key);
    columns.Next().AddNumber(capture.number);
    columns.Next().AddBytes(capture.request_hash);
    columns.Next().AddNumber(capture.quote.amount_nanos);
    columns.Next().AddBytes(LinesJson(capture.quote));
    columns.Next().AddUuid(capture.answer.entry_id);
    columns.Next().AddBytes(ToProto(capture.answer).SerializeAsString());
    columns.Next().AddNumber(capture.quote.price_version);
    columns.Next().AddBytes(capture.answer.hold.tool);
    columns.Next().AddNumber(capture.answer.hold.tenant_id);
  }
  return columns;
}

// A stored hold that was decided anew; what changes besides is saved with the others.
void SaveEstimate(pg::Tx& tx, const PlannedHold& planned) {
  static const std::string kSaveEstimate = R"(
UPDATE billing.holds SET state = 'reserved', estimate_nanos = $2, held_nanos = $2,
  estimate_lines = $3, price_version = $4, policy = $5, decision = $6, decision_reason = $7,
  expire_time = timestamptz 'epoch' + $8::bigint * interval '1 microsecond'
WHERE key = $1)";
  const Hold& hold = planned.hold;
  tx.exec_params(kSaveEstimate, hold.key, hold.estimate_nanos, LinesJson(planned.estimate),
                 planned.estimate.price_version, PolicyText(hold.decision.policy),
                 DecisionText(hold.decision), hold.decision.reason, ToMicros(hold.expire_time));
}

constexpr char kSavePlan[] = R"(
WITH accounts AS (
  UPDATE billing.accounts a SET settled_nanos = u.settled, held_nanos = u.held,
    entry_count = u.entries, update_time = now()
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
    AS u (tenant_id, settled, held, entries)
  WHERE a.tenant_id = u.tenant_id),
new_holds AS (
  INSERT INTO billing.holds (key, state, held_nanos, captured_nanos, capture_count, bind_time,
    outcome, end_time, tenant_id, request_hash, estimate_nanos, estimate_lines, price_version,
    policy, decision, decision_reason, expire_time, tool)
  SELECT u.key, u.state, u.held, u.captured, u.captures,
    CASE WHEN u.bound = 1 THEN clock_timestamp() END, nullif(u.outcome, ''),
    CASE WHEN u.ended > 0 THEN timestamptz 'epoch' + u.ended * interval '1 microsecond' END,
    u.tenant_id, u.hash, u.estimate, u.lines::jsonb, u.version, u.policy, u.decision, u.reason,
    timestamptz 'epoch' + u.expires * interval '1 microsecond', u.tool
  FROM unnest($5::uuid[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
    $11::text[], $12::bigint[], $13::bigint[], $14::bytea[], $15::bigint[], $16::text[],
    $17::bigint[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::text[])
    AS u (key, state, held, captured, captures, bound, outcome, ended, tenant_id, hash, estimate,
      lines, version, policy, decision, reason, expires, tool)),
changed_holds AS (
  UPDATE billing.holds h SET state = u.state, held_nanos = u.held, captured_nanos = u.captured,
    capture_count = u.captures, outcome = nullif(u.outcome, ''), update_time = now(),
    bind_time = CASE WHEN u.bound = 1 THEN coalesce(h.bind_time, clock_timestamp()) END,
    end_time = CASE WHEN u.ended > 0
      THEN timestamptz 'epoch' + u.ended * interval '1 microsecond' END
  FROM unnest($23::uuid[], $24::text[], $25::bigint[], $26::bigint[], $27::bigint[],
    $28::bigint[], $29::text[], $30::bigint[])
    AS u (key, state, held, captured, captures, bound, outcome, ended)
  WHERE h.key = u.key))";

constexpr char kSaveCaptures[] = R"(
INSERT INTO billing.captures (hold_key, capture_number, request_hash, amount_nanos, usage_lines,
  entry_id, response, price_version, tool, tenant_id)
SELECT u.key, u.number, u.hash, u.amount, u.lines::jsonb, u.entry_id, u.response,
  nullif(u.version, 0), u.tool, u.tenant_id
FROM unnest($31::uuid[], $32::bigint[], $33::bytea[], $34::bigint[], $35::text[], $36::uuid[],
  $37::bytea[], $38::bigint[], $39::text[], $40::bigint[])
  AS u (key, number, hash, amount, lines, entry_id, response, version, tool, tenant_id))";

}  // namespace

void PlanByIndex(pg::Tx& tx) {
  tx.exec(
      "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; "
      "SET LOCAL enable_mergejoin = off; SET LOCAL plan_cache_mode = force_generic_plan");
}

void MakeAccounts(pg::Tx& tx, const std::vector<std::int64_t>& tenant_ids) {
  // In one order for everybody, or two could wait for each other's new row.
  static const std::string kMakeAccounts = R"(
INSERT INTO billing.accounts (tenant_id)
SELECT DISTINCT t.id FROM unnest($1::bigint[]) AS t (id) ORDER BY t.id
ON CONFLICT (tenant_id) DO NOTHING)";
  pg::ExecPrepared(tx, kMakeAccounts, Numbers(tenant_ids));
}

LockedAccounts LockAccounts(pg::Tx& tx, const std::vector<std::int64_t>& tenant_ids,
                            const std::vector<std::string>& keys) {
  static const std::string kLock = absl::StrCat("SELECT ", kVersionInForce, R"( AS version, a.*
FROM (SELECT) AS one LEFT JOIN LATERAL (
  SELECT a.* FROM (
    SELECT unnest($1::bigint[]) AS id
    UNION SELECT h.tenant_id FROM billing.holds h WHERE h.key = ANY ($2::uuid[])) AS t
  CROSS JOIN LATERAL (
    SELECT tenant_id, settled_nanos, held_nanos, entry_count, policy, low_threshold_nanos,
      overdraft_max_nanos, ceiling_nanos, plan_tier, tier_version
    FROM billing.accounts WHERE tenant_id = t.id FOR UPDATE SKIP LOCKED) AS a) AS a ON true)");
  LockedAccounts locked;
  const pqxx::result rows = pg::ExecPrepared(tx, kLock, Numbers(tenant_ids), Uuids(keys));
  for (const pqxx::row& row : rows) {
    locked.price_version = pg::Optional<int>(row["version"]).value_or(0);
    if (!row["tenant_id"].is_null()) locked.accounts.push_back(AccountFromRow(row));
  }
  return locked;
}

OverdueHolds LockOverdue(pg::Tx& tx, int limit) {
  static const std::string kLockOverdue = R"(
SELECT h.key, a.tenant_id, a.settled_nanos, a.held_nanos, a.entry_count, a.policy,
  a.low_threshold_nanos, a.overdraft_max_nanos, a.ceiling_nanos, a.plan_tier, a.tier_version
FROM billing.holds h JOIN billing.accounts a ON a.tenant_id = h.tenant_id
WHERE h.state = 'reserved' AND h.expire_time <= now()
ORDER BY h.expire_time LIMIT $1 FOR UPDATE OF a SKIP LOCKED)";
  OverdueHolds overdue;
  for (const pqxx::row& row : pg::ExecPrepared(tx, kLockOverdue, limit)) {
    overdue.accounts.push_back(AccountFromRow(row));
    overdue.keys.push_back(row["key"].as<std::string>());
  }
  return overdue;
}

OverdueHolds AwaitOverdue(pg::Tx& tx, int limit) {
  static const std::string kFindTenant = R"(
SELECT tenant_id FROM billing.holds
WHERE state = 'reserved' AND expire_time <= now() - interval '2 seconds'
ORDER BY expire_time LIMIT 1)";
  static const std::string kFindKeys = R"(
SELECT key FROM billing.holds
WHERE state = 'reserved' AND expire_time <= now() AND tenant_id = $1
ORDER BY expire_time LIMIT $2)";
  OverdueHolds overdue;
  const pqxx::result tenant = pg::ExecPrepared(tx, kFindTenant);
  if (tenant.empty()) return overdue;
  overdue.accounts.push_back(LockAccount(tx, tenant[0][0].as<std::int64_t>()));
  for (const pqxx::row& row :
       pg::ExecPrepared(tx, kFindKeys, overdue.accounts[0].tenant_id, limit)) {
    overdue.keys.push_back(row[0].as<std::string>());
  }
  return overdue;
}

ReadHolds FindHolds(pg::Tx& tx, const std::vector<std::string>& keys) {
  // As pg::MicrosOf, but in the machine's own numbers, which are exact to the microsecond
  // for times of this century.
  static const std::string kFindHolds = R"(
SELECT (date_part('epoch', one.now) * 1000000)::bigint, h.key, h.tenant_id, h.request_hash,
  h.state, h.estimate_nanos, h.held_nanos, h.captured_nanos, h.capture_count, h.policy,
  h.decision = 'warned', h.decision_reason, h.bind_time IS NOT NULL, h.tool, h.outcome,
  h.price_version,
  (date_part('epoch', h.expire_time) * 1000000)::bigint,
  (date_part('epoch', h.end_time) * 1000000)::bigint
FROM (SELECT clock_timestamp() AS now OFFSET 0) AS one
LEFT JOIN billing.holds h ON h.key = ANY ($1::uuid[]))";
  ReadHolds read;
  for (const pqxx::row& row : pg::ExecPrepared(tx, kFindHolds, Uuids(keys))) {
    read.now = FromMicros(row[0].as<std::int64_t>());
    if (!row[1].is_null()) read.holds.push_back(HoldFromRow(row, 1));
  }
  return read;
}

void AddCaptures(pg::Tx& tx, const std::vector<const CaptureOrder*>& orders, BatchPlan* plan) {
  static const std::string kFindCaptures = R"(
SELECT c.hold_key, c.capture_number, c.request_hash, c.response
FROM unnest($1::uuid[], $2::bigint[]) AS u (key, number)
JOIN billing.captures c ON c.hold_key = u.key AND c.capture_number = u.number)";
  Column keys(Type::kUuid);
  Column numbers(Type::kNumber);
  for (const CaptureOrder* order : orders) {
    keys.AddUuid(order->key);
    numbers.AddNumber(order->number);
  }
  for (const pqxx::row& row : pg::ExecPrepared(tx, kFindCaptures, keys.Take(), numbers.Take())) {
    plan->AddCapture(row["hold_key"].as<std::string>(), row["capture_number"].as<std::int64_t>(),
                     pg::Bytes(row["request_hash"]), pg::Bytes(row["response"]));
  }
}

absl::Status SavePlan(pg::Tx& tx, const BatchPlan& plan) {
  for (const PlannedHold* hold : plan.holds()) {
    if (hold->is_anew) SaveEstimate(tx, *hold);
  }
  static const std::string kSave =
      absl::StrCat(kSavePlan, ", entries AS (", InsertLedgerSql(41), ")", kSaveCaptures);
  std::vector<pqxx::binarystring> parameters;
  AccountColumns(plan).AppendTo(&parameters);
  NewHoldColumns(plan).AppendTo(&parameters);
  ChangedHoldColumns(plan).AppendTo(&parameters);
  CaptureColumns(plan).AppendTo(&parameters);
  AppendLedgerColumns(plan.rows(), &parameters);
  pg::ExecPrepared(tx, kSave, pqxx::prepare::make_dynamic_params(parameters));
  for (const PlannedAccount* planned : plan.accounts()) {
    GH_RETURN_IF_ERROR(TellLowBalance(tx, planned->settled_before_nanos, planned->account));
  }
  return absl::OkStatus();
}

}  // namespace gatehouse::billing
