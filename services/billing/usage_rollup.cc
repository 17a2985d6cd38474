#include "services/billing/usage_rollup.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "services/billing/usage_store.h"

namespace gatehouse::billing {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kHourMicros = 3'600'000'000;

// The hour at the mark, locked, when it ended long enough ago and no transaction of
// this role is left from before its end: what a transaction writes has the time of its
// beginning or a later one, so nobody can write into that hour any more.
constexpr char kLockHour[] = R"(
SELECT (extract(epoch FROM m.hour) * 1000000)::bigint FROM billing.usage_mark m
WHERE m.hour + interval '1 hour' + $1::bigint * interval '1 second' <= clock_timestamp()
  AND NOT EXISTS (
    SELECT FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.usename = current_user
      AND a.pid <> pg_backend_pid() AND a.xact_start < m.hour + interval '1 hour')
FOR UPDATE OF m SKIP LOCKED)";

constexpr char kAddLines[] = R"(
INSERT INTO billing.usage_hours (hour, tenant_id, tool, line_type, resource, quantity, cost_nanos,
  line_count)
SELECT hour, tenant_id, tool, line_type, resource, sum(quantity), sum(cost_nanos), sum(line_count)
FROM line_rows GROUP BY hour, tenant_id, tool, line_type, resource)";

constexpr char kAddCaptures[] = R"(
INSERT INTO billing.capture_hours (hour, tenant_id, tool, cost_nanos, capture_count)
SELECT hour, tenant_id, tool, sum(cost_nanos), sum(capture_count)
FROM capture_rows GROUP BY hour, tenant_id, tool)";

constexpr char kAddWork[] = R"(
INSERT INTO billing.work_hours (hour, tenant_id, outcome, work_count)
SELECT hour, tenant_id, outcome, sum(work_count)
FROM work_rows GROUP BY hour, tenant_id, outcome)";

constexpr char kMoveMark[] = "UPDATE billing.usage_mark SET hour = hour + interval '1 hour'";

}  // namespace

absl::StatusOr<bool> RollUpOneHour(pg::Database& db, std::chrono::seconds delay) {
  // In doubt, the mark tells the next call what was done.
  return db.InTransaction([delay](pg::Tx& tx) -> absl::StatusOr<bool> {
    const pqxx::result mark = tx.exec_params(kLockHour, std::int64_t{delay.count()});
    if (mark.empty()) return false;
    const auto start = mark[0][0].as<std::int64_t>();
    // At the mark there are only rows of the tables themselves.
    const auto add = [&](const char* rows, const char* insert) {
      tx.exec_params(absl::StrCat("WITH", rows, insert), 0, start, start + kHourMicros);
    };
    add(kUsageRows, kAddLines);
    add(kUsageRows, kAddCaptures);
    add(kWorkRows, kAddWork);
    tx.exec(kMoveMark);
    return true;
  });
}

UsageRollup::UsageRollup(pg::Database& db)
    : db_(db),
      hours_(metrics::GetCounter("gatehouse_billing_usage_hours_total",
                                 "Hours of usage that were added up.")),
      ticker_("usage-rollup", [this] { return Step(); }) {}

milliseconds UsageRollup::Step() {
  const absl::StatusOr<bool> added = RollUpOneHour(db_);
  if (!added.ok()) {
    log::Warning("usage could not be added up", {{"error", std::string(added.status().message())}});
    return milliseconds(5000);
  }
  if (!*added) return milliseconds(30000);
  hours_.Increment();
  return milliseconds(0);  // There may be more.
}

}  // namespace gatehouse::billing
