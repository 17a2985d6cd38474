#include "services/billing/usage_store.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {

// The sums of what was before the mark are written in the transaction that moves it, so
// nothing comes from both sides. Young captures are read once per list rather than kept
// with all their lines in between. Those of before tenants stood on them take it from the
// hold.
const char kUsageRows[] = R"(
young_captures AS NOT MATERIALIZED (
  SELECT date_trunc('hour', c.create_time) AS hour,
    coalesce(c.tenant_id, (SELECT h.tenant_id FROM billing.holds h WHERE h.key = c.hold_key))
      AS tenant_id,
    coalesce(nullif(c.tool, ''),
      (SELECT min(l.resource) FROM jsonb_to_recordset(c.usage_lines)
         AS l (line_type text, resource text) WHERE l.line_type = 'per_job'),
      'unknown') AS tool,
    c.amount_nanos, c.usage_lines
  FROM billing.captures c
  WHERE c.create_time >= greatest(to_timestamp($2::bigint / 1000000.0),
                                  (SELECT m.mark_time FROM billing.usage_mark m))
    AND c.create_time < to_timestamp($3::bigint / 1000000.0)),
capture_rows AS (
  SELECT r.hour, r.tenant_id, r.tool, r.cost_nanos, r.capture_count
  FROM billing.capture_hours r
  WHERE r.hour >= to_timestamp($2::bigint / 1000000.0)
    AND r.hour < to_timestamp($3::bigint / 1000000.0)
    AND ($1::bigint = 0 OR r.tenant_id = $1::bigint)
  UNION ALL
  SELECT y.hour, y.tenant_id, y.tool, y.amount_nanos::numeric, 1::bigint
  FROM young_captures y WHERE $1::bigint = 0 OR y.tenant_id = $1::bigint),
line_rows AS (
  SELECT r.hour, r.tenant_id, r.tool, r.line_type, r.resource, r.quantity, r.cost_nanos,
    r.line_count
  FROM billing.usage_hours r
  WHERE r.hour >= to_timestamp($2::bigint / 1000000.0)
    AND r.hour < to_timestamp($3::bigint / 1000000.0)
    AND ($1::bigint = 0 OR r.tenant_id = $1::bigint)
  UNION ALL
  SELECT y.hour, y.tenant_id, y.tool, l.line_type, l.resource, l.quantity::numeric,
    l.amount_nanos::numeric, 1::bigint
  FROM young_captures y, jsonb_to_recordset(y.usage_lines)
    AS l (line_type text, resource text, quantity bigint, amount_nanos bigint)
  WHERE $1::bigint = 0 OR y.tenant_id = $1::bigint))";

const char kWorkRows[] = R"(
work_rows AS (
  SELECT r.hour, r.tenant_id, r.outcome, r.work_count
  FROM billing.work_hours r
  WHERE r.hour >= to_timestamp($2::bigint / 1000000.0)
    AND r.hour < to_timestamp($3::bigint / 1000000.0)
    AND ($1::bigint = 0 OR r.tenant_id = $1::bigint)
  UNION ALL
  SELECT date_trunc('hour', h.end_time), h.tenant_id, h.outcome, 1::bigint
  FROM billing.holds h
  WHERE h.end_time >= greatest(to_timestamp($2::bigint / 1000000.0),
                               (SELECT m.mark_time FROM billing.usage_mark m))
    AND h.end_time < to_timestamp($3::bigint / 1000000.0)
    AND h.outcome IS NOT NULL AND ($1::bigint = 0 OR h.tenant_id = $1::bigint)))";

namespace {

// Figures of line_rows and of capture_rows.
constexpr char kTokens[] = R"(
coalesce(sum(quantity) FILTER (WHERE line_type IN ('prompt_tokens', 'embedding_tokens')), 0)
  AS tokens_in,
coalesce(sum(quantity) FILTER (WHERE line_type = 'completion_tokens'), 0) AS tokens_out)";
constexpr char kCost[] = R"(
coalesce(sum(cost_nanos), 0) AS cost_nanos, coalesce(sum(capture_count), 0) AS event_count,
count(DISTINCT tenant_id) AS active_tenants)";
constexpr char kWork[] = R"(
coalesce(sum(work_count) FILTER (WHERE outcome = 'success'), 0) AS success,
coalesce(sum(work_count) FILTER (WHERE outcome = 'failed'), 0) AS failed,
coalesce(sum(work_count) FILTER (WHERE outcome = 'cancelled'), 0) AS cancelled)";

constexpr char kCostLists[] = R"(
(SELECT 'total' AS list, 0::bigint AS tenant_id, '' AS name,
   coalesce(sum(cost_nanos), 0) AS cost_nanos, coalesce(sum(capture_count), 0) AS event_count,
   0::numeric AS tokens_in, 0::numeric AS tokens_out
 FROM capture_rows)
UNION ALL
(SELECT 'tenant', c.tenant_id, '', c.cost_nanos, c.event_count,
   coalesce(t.tokens_in, 0), coalesce(t.tokens_out, 0)
 FROM (SELECT tenant_id, sum(cost_nanos) AS cost_nanos, sum(capture_count) AS event_count
       FROM capture_rows GROUP BY tenant_id) AS c
 LEFT JOIN tenant_tokens t USING (tenant_id)
 ORDER BY c.cost_nanos DESC, c.tenant_id LIMIT 1000)
UNION ALL
(SELECT 'tool', 0, c.tool, c.cost_nanos, c.event_count,
   coalesce(t.tokens_in, 0), coalesce(t.tokens_out, 0)
 FROM (SELECT tool, sum(cost_nanos) AS cost_nanos, sum(capture_count) AS event_count
       FROM capture_rows GROUP BY tool) AS c
 LEFT JOIN tool_tokens t USING (tool)
 ORDER BY c.cost_nanos DESC, c.tool LIMIT $4)
UNION ALL
(SELECT 'model', 0, resource, cost_nanos, line_count, tokens_in, tokens_out
 FROM model_tokens ORDER BY cost_nanos DESC, resource LIMIT $4))";

std::string CostQuery() {
  return absl::StrCat(
      "WITH", kUsageRows, ", tenant_tokens AS (SELECT tenant_id,", kTokens,
      " FROM line_rows GROUP BY tenant_id), tool_tokens AS (SELECT tool,", kTokens,
      " FROM line_rows GROUP BY tool), model_tokens AS (SELECT resource, sum(cost_nanos) AS "
      "cost_nanos, sum(line_count) AS line_count,",
      kTokens,
      " FROM line_rows WHERE line_type IN ('prompt_tokens', 'completion_tokens', "
      "'embedding_tokens') GROUP BY resource)",
      kCostLists);
}

pqxx::result Ask(pg::Tx& tx, const std::string& sql, const UsagePeriod& period) {
  return tx.exec_params(sql, period.tenant_id, ToMicros(period.start), ToMicros(period.end));
}

absl::Status AddGroup(const pqxx::row& row, Costs* costs) {
  const auto list = row["list"].as<std::string>();
  CostGroup group{.tenant_id = row["tenant_id"].as<std::int64_t>()};
  GH_ASSIGN_OR_RETURN(group.cost_nanos, SumOf(row["cost_nanos"]));
  GH_ASSIGN_OR_RETURN(group.event_count, SumOf(row["event_count"]));
  GH_ASSIGN_OR_RETURN(group.tokens_in, SumOf(row["tokens_in"]));
  GH_ASSIGN_OR_RETURN(group.tokens_out, SumOf(row["tokens_out"]));
  const auto name = row["name"].as<std::string>();
  if (list == "total") {
    costs->total_nanos = group.cost_nanos;
  } else if (list == "tenant") {
    costs->tenants.push_back(std::move(group));
  } else if (list == "tool") {
    group.tool = name;
    costs->tools.push_back(std::move(group));
  } else {
    group.resource = name;
    costs->models.push_back(std::move(group));
  }
  return absl::OkStatus();
}

absl::StatusOr<WorkCounts> WorkOf(const pqxx::row& row) {
  WorkCounts work;
  GH_ASSIGN_OR_RETURN(work.success, SumOf(row["success"]));
  GH_ASSIGN_OR_RETURN(work.failed, SumOf(row["failed"]));
  GH_ASSIGN_OR_RETURN(work.cancelled, SumOf(row["cancelled"]));
  return work;
}

}  // namespace

absl::StatusOr<std::int64_t> SumOf(const pqxx::field& field) {
  std::int64_t sum = 0;
  if (!absl::SimpleAtoi(absl::string_view(field.c_str(), field.size()), &sum)) {
    return Error(absl::StatusCode::kOutOfRange, "SUM_OUT_OF_RANGE",
                 "a sum is too large; ask for a shorter period");
  }
  return sum;
}

absl::StatusOr<UsageFigures> UsageTotals(pg::Tx& tx, const UsagePeriod& period) {
  const pqxx::result rows =
      Ask(tx,
          absl::StrCat("WITH", kUsageRows, "SELECT c.*, l.* FROM (SELECT", kCost,
                       " FROM capture_rows) AS c, (SELECT", kTokens, " FROM line_rows) AS l"),
          period);
  UsageFigures figures{.active_tenants = rows[0]["active_tenants"].as<std::int64_t>()};
  GH_ASSIGN_OR_RETURN(figures.cost_nanos, SumOf(rows[0]["cost_nanos"]));
  GH_ASSIGN_OR_RETURN(figures.capture_count, SumOf(rows[0]["event_count"]));
  GH_ASSIGN_OR_RETURN(figures.tokens_in, SumOf(rows[0]["tokens_in"]));
  GH_ASSIGN_OR_RETURN(figures.tokens_out, SumOf(rows[0]["tokens_out"]));
  return figures;
}

absl::StatusOr<WorkCounts> WorkTotals(pg::Tx& tx, const UsagePeriod& period) {
  return WorkOf(
      Ask(tx, absl::StrCat("WITH", kWorkRows, "SELECT", kWork, " FROM work_rows"), period)[0]);
}

absl::StatusOr<std::vector<UsageDay>> DailyUsage(pg::Tx& tx, const UsagePeriod& period) {
  const pqxx::result rows =
      Ask(tx,
          absl::StrCat("WITH", kUsageRows, "SELECT ", pg::MicrosOf("date_trunc('day', hour)"),
                       " AS day,", kCost, " FROM capture_rows GROUP BY 1 ORDER BY 1"),
          period);
  std::vector<UsageDay> days;
  for (const pqxx::row& row : rows) {
    UsageDay day{.day = FromMicros(row["day"].as<std::int64_t>()),
                 .active_tenants = row["active_tenants"].as<std::int64_t>()};
    GH_ASSIGN_OR_RETURN(day.cost_nanos, SumOf(row["cost_nanos"]));
    GH_ASSIGN_OR_RETURN(day.capture_count, SumOf(row["event_count"]));
    days.push_back(day);
  }
  return days;
}

absl::StatusOr<std::vector<WorkDay>> DailyWork(pg::Tx& tx, const UsagePeriod& period) {
  const pqxx::result rows =
      Ask(tx,
          absl::StrCat("WITH", kWorkRows, "SELECT ", pg::MicrosOf("date_trunc('day', hour)"),
                       " AS day,", kWork, " FROM work_rows GROUP BY 1 ORDER BY 1"),
          period);
  std::vector<WorkDay> days;
  for (const pqxx::row& row : rows) {
    WorkDay day{.day = FromMicros(row["day"].as<std::int64_t>()), .work = {}};
    GH_ASSIGN_OR_RETURN(day.work, WorkOf(row));
    days.push_back(day);
  }
  return days;
}

absl::StatusOr<Costs> FindCosts(pg::Tx& tx, const UsagePeriod& period, int top) {
  Costs costs;
  const pqxx::result rows = tx.exec_params(CostQuery(), period.tenant_id, ToMicros(period.start),
                                           ToMicros(period.end), top);
  for (const pqxx::row& row : rows) GH_RETURN_IF_ERROR(AddGroup(row, &costs));
  return costs;
}

}  // namespace gatehouse::billing
