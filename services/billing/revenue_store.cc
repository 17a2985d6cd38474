#include "services/billing/revenue_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {
namespace {

using std::chrono::days;

// In the words of the index ledger_entries_funding: without usage, which is nearly all.
constexpr char kEntries[] = R"(
entries AS (
  SELECT create_time, entry_type,
    CASE WHEN credit_account = 'reserve' THEN amount_nanos ELSE -amount_nanos END AS amount
  FROM billing.ledger_entries
  WHERE create_time >= to_timestamp($2::bigint / 1000000.0)
    AND create_time < to_timestamp($3::bigint / 1000000.0)
    AND entry_type IN ('topup', 'auto_topup', 'refund', 'dispute', 'adjustment', 'reversal')
    AND ($1::bigint = 0 OR tenant_id = $1::bigint)))";
constexpr char kEntrySums[] = R"(
coalesce(sum(amount) FILTER (WHERE entry_type IN ('topup', 'auto_topup')), 0) AS topups,
coalesce(-sum(amount) FILTER (WHERE entry_type IN ('refund', 'dispute')), 0) AS refunds,
coalesce(sum(amount) FILTER (WHERE entry_type IN ('adjustment', 'reversal')), 0) AS adjustments)";

pqxx::result AskLedger(pg::Tx& tx, const std::string& select, const UsagePeriod& period) {
  return tx.exec_params(absl::StrCat("WITH", kEntries, select), period.tenant_id,
                        ToMicros(period.start), ToMicros(period.end));
}

absl::StatusOr<LedgerFigures> FiguresFrom(const pqxx::row& row) {
  LedgerFigures figures;
  GH_ASSIGN_OR_RETURN(figures.topup_nanos, SumOf(row["topups"]));
  GH_ASSIGN_OR_RETURN(figures.refund_nanos, SumOf(row["refunds"]));
  GH_ASSIGN_OR_RETURN(figures.adjustment_nanos, SumOf(row["adjustments"]));
  return figures;
}

constexpr char kFindLevels[] = R"(
SELECT logo_churn_ppm, mrr_drop_ppm, failed_work_ppm, negative_accounts
FROM billing.alert_levels)";

AlertLevels LevelsFrom(const pqxx::row& row) {
  return {.logo_churn_ppm = row["logo_churn_ppm"].as<std::int64_t>(),
          .mrr_drop_ppm = row["mrr_drop_ppm"].as<std::int64_t>(),
          .failed_work_ppm = row["failed_work_ppm"].as<std::int64_t>(),
          .negative_accounts = row["negative_accounts"].as<std::int64_t>()};
}

}  // namespace

Time FindNow(pg::Tx& tx) {
  static const std::string kNow = absl::StrCat("SELECT ", pg::MicrosOf("now()"));
  return FromMicros(tx.exec1(kNow)[0].as<std::int64_t>());
}

std::vector<RevenueChange> ListRevenueChanges(pg::Tx& tx, std::int64_t tenant_id, Time until) {
  // What stands behind a deletion is no part of the history, though it may have come first.
  static const std::string kList = absl::StrCat(R"(
WITH steps AS (
  SELECT c.tenant_id, c.change_time, c.annual_cents - coalesce(lag(c.annual_cents) OVER (
      PARTITION BY c.subscription_id ORDER BY c.change_time, c.stripe_rank, c.id), 0) AS delta
  FROM billing.subscription_changes c
  JOIN billing.subscriptions s ON s.subscription_id = c.subscription_id
  WHERE c.change_time < to_timestamp($2::bigint / 1000000.0)
    AND c.annual_cents IS NOT NULL AND ($1::bigint = 0 OR c.tenant_id = $1::bigint)
    AND (s.stripe_rank < 2 OR (c.change_time, c.stripe_rank) <= (s.stripe_time, s.stripe_rank)))
SELECT tenant_id, )",
                                                pg::MicrosOf("change_time"), R"( AS micros,
  sum(delta)::bigint AS delta_cents
FROM steps GROUP BY tenant_id, change_time HAVING sum(delta) <> 0
ORDER BY tenant_id, change_time)");
  std::vector<RevenueChange> changes;
  for (const pqxx::row& row : tx.exec_params(kList, tenant_id, ToMicros(until))) {
    changes.push_back({.tenant_id = row["tenant_id"].as<std::int64_t>(),
                       .time = FromMicros(row["micros"].as<std::int64_t>()),
                       .delta_cents = row["delta_cents"].as<std::int64_t>()});
  }
  return changes;
}

bool HasRecordsBefore(pg::Tx& tx, std::int64_t tenant_id, Time end) {
  static constexpr char kHas[] = R"(
SELECT EXISTS (SELECT FROM billing.accounts
    WHERE create_time < to_timestamp($2::bigint / 1000000.0)
      AND ($1::bigint = 0 OR tenant_id = $1::bigint))
  OR EXISTS (SELECT FROM billing.subscription_changes
    WHERE change_time < to_timestamp($2::bigint / 1000000.0)
      AND ($1::bigint = 0 OR tenant_id = $1::bigint)))";
  return tx.exec_params1(kHas, tenant_id, ToMicros(end))[0].as<bool>();
}

absl::StatusOr<LedgerFigures> SumLedger(pg::Tx& tx, const UsagePeriod& period) {
  return FiguresFrom(
      AskLedger(tx, absl::StrCat(" SELECT", kEntrySums, " FROM entries"), period)[0]);
}

absl::StatusOr<std::vector<LedgerFigures>> DailyLedger(pg::Tx& tx, const UsagePeriod& period) {
  const pqxx::result rows =
      AskLedger(tx,
                absl::StrCat(" SELECT ", pg::MicrosOf("date_trunc('day', create_time, 'UTC')"),
                             " AS day,", kEntrySums, " FROM entries GROUP BY 1 ORDER BY 1"),
                period);
  std::vector<LedgerFigures> figures;
  for (const pqxx::row& row : rows) {
    GH_ASSIGN_OR_RETURN(LedgerFigures day, FiguresFrom(row));
    day.day = FromMicros(row["day"].as<std::int64_t>());
    figures.push_back(day);
  }
  return figures;
}

std::int64_t CountChurnedTenants(pg::Tx& tx, std::int64_t tenant_id, Time end) {
  static const std::string kCount = absl::StrCat("WITH", kUsageRows, R"(
SELECT count(*) FROM (
  SELECT tenant_id FROM capture_rows GROUP BY tenant_id
  HAVING max(hour) < to_timestamp($4::bigint / 1000000.0)) AS gone)");
  return tx
      .exec_params1(kCount, tenant_id, ToMicros(end - days(60)), ToMicros(end),
                    ToMicros(end - days(30)))[0]
      .as<std::int64_t>();
}

std::int64_t CountNegativeAccounts(pg::Tx& tx, std::int64_t tenant_id) {
  static constexpr char kCount[] = R"(
SELECT count(*) FROM billing.accounts
WHERE settled_nanos < 0 AND ($1::bigint = 0 OR tenant_id = $1::bigint))";
  return tx.exec_params1(kCount, tenant_id)[0].as<std::int64_t>();
}

AlertLevels FindAlertLevels(pg::Tx& tx) { return LevelsFrom(tx.exec1(kFindLevels)); }

AlertLevels LockAlertLevels(pg::Tx& tx) {
  return LevelsFrom(tx.exec1(absl::StrCat(kFindLevels, " FOR UPDATE")));
}

void SaveAlertLevels(pg::Tx& tx, const AlertLevels& levels) {
  static constexpr char kSave[] = R"(
UPDATE billing.alert_levels SET logo_churn_ppm = $1, mrr_drop_ppm = $2, failed_work_ppm = $3,
  negative_accounts = $4, update_time = now())";
  tx.exec_params(kSave, levels.logo_churn_ppm, levels.mrr_drop_ppm, levels.failed_work_ppm,
                 levels.negative_accounts);
}

}  // namespace gatehouse::billing
